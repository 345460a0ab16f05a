output "vpc_id" {
  description = "Id of the VPC."
  value       = aws_vpc.this.id
}

output "availability_zones" {
  description = "Zones that the subnets are in, in their order."
  value       = local.zones
}

output "private_subnet_ids" {
  description = "Subnets of nodes, database and cache, in the order of the zones."
  value       = [for zone in local.zones : aws_subnet.private[zone].id]
  # What is put there pulls images from its first second.
  depends_on = [aws_route.nat, aws_route_table_association.private, aws_vpc_endpoint.s3]
}

output "public_subnet_ids" {
  description = "Subnets of internet-facing load balancers, in the order of the zones."
  value       = [for zone in local.zones : aws_subnet.public[zone].id]
}

output "nat_addresses" {
  description = "Public addresses from which the platform reaches the internet."
  value       = [for zone in local.nat_zones : aws_eip.nat[zone].public_ip]
}
