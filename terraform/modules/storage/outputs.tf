output "buckets" {
  description = "Name and ARN of each bucket, by purpose."
  value       = { for purpose, bucket in aws_s3_bucket.this : purpose => { name = bucket.id, arn = bucket.arn } }
}
