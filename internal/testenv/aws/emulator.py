"""Starts ministack with what the platform uses of AWS and ministack lacks.

EKS: cluster and node group updates, versions of clusters and add-ons, time
spent in CREATING and UPDATING, launch templates of node groups, an issuer with
https as AWS has it, a security group for the cluster.
RDS: master passwords that RDS manages in Secrets Manager, exported logs.
ElastiCache: whether minor versions are upgraded by themselves.
ECR: repositories that lead to the emulator's own registry, images that indices
refer to, that deleted images are gone from the registry too.
EC2: client tokens, by which a request that is sent again makes nothing twice,
addresses of NAT gateways.
Resource Groups Tagging: resources of CloudWatch Logs, EC2, EKS, Elastic Load
Balancing, RDS and Secrets Manager.

EMULATOR_EKS_SECONDS is how long EKS takes to create or update something.
EMULATOR_EKS_ENDPOINT and EMULATOR_EKS_CA (PEM in base64) lead to a Kubernetes
that stands behind every cluster; EMULATOR_EKS_EXTERNAL_NODES: see nodegroups.py.
"""

import copy
import json
import os
import re
import threading
import time
import uuid

import interfaces
import nodegroups
from ministack import app
from ministack.core.responses import get_account_id, get_region
from ministack.services import alb, cloudwatch_logs, ec2, ecr, eks, elasticache, rds, secretsmanager, tagging

EKS_SECONDS = float(os.environ.get("EMULATOR_EKS_SECONDS", "1"))

KUBERNETES_VERSIONS = ["1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36"]

# The default version of each add-on; {} is the cluster's Kubernetes version.
ADDONS = {
    "aws-ebs-csi-driver": "v1.53.0-eksbuild.1",
    "coredns": "v1.12.4-eksbuild.1",
    "eks-pod-identity-agent": "v1.3.9-eksbuild.1",
    "kube-proxy": "v{}.0-eksbuild.2",
    "vpc-cni": "v1.20.4-eksbuild.2",
}

# PEM in base64, as DescribeCluster has it; nobody listens behind that one.
CERTIFICATE = os.environ.get("EMULATOR_EKS_CA") or "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCi0tLS0tRU5EIENFUlRJRklDQVRFLS0tLS0K"

updates = {}  # (account, region, cluster, update id) -> update


def ok(body):
    return eks._json_resp(200, body)


def error(status, code, message):
    return eks._error(status, code, message)


def minor(version):
    return int(version.split(".")[1])


def later(action):
    timer = threading.Timer(EKS_SECONDS, action)
    timer.daemon = True
    timer.start()


def begin_update(cluster, kind, params, record, change, external=None):
    """Answers with an update in progress that changes record when it is done: in
    a while, or when external, called with what finishes it, has it so."""
    if record["status"] != "ACTIVE":
        return error(409, "ResourceInUseException", "It cannot be updated while it is " + record["status"])
    update = {
        "id": str(uuid.uuid4()),
        "status": "InProgress",
        "type": kind,
        "params": [{"type": name, "value": value} for name, value in params],
        "createdAt": time.time(),
        "errors": [],
    }
    updates[get_account_id(), get_region(), cluster, update["id"]] = update
    record["status"] = "UPDATING"

    def finish(errors=()):
        if not errors:
            change()
        record["status"] = "ACTIVE"
        update.update(status="Failed" if errors else "Successful", errors=list(errors))

    if nodegroups.EXTERNAL and external:
        external(finish)
    else:
        later(finish)
    return ok({"update": copy.deepcopy(update)})


def update_cluster_version(name, cluster, body):
    wanted = body.get("version", "")
    if wanted not in KUBERNETES_VERSIONS or minor(wanted) != minor(cluster["version"]) + 1:
        return error(
            400,
            "InvalidParameterException",
            "Unsupported Kubernetes minor version update from %s to %s" % (cluster["version"], wanted),
        )
    return begin_update(
        name, "VersionUpdate", [("Version", wanted)], cluster, lambda: cluster.update(version=wanted)
    )


def update_cluster_config(name, cluster, body):
    def change():
        if "logging" in body:
            cluster["logging"] = body["logging"]
        cluster["resourcesVpcConfig"].update(body.get("resourcesVpcConfig") or {})

    kind = "LoggingUpdate" if "logging" in body else "EndpointAccessUpdate"
    return begin_update(name, kind, [], cluster, change)


def update_nodegroup_version(name, cluster, group, body):
    wanted = body.get("version") or cluster["version"]
    if minor(wanted) > minor(cluster["version"]):
        return error(
            400,
            "InvalidParameterException",
            "Nodegroup version %s is newer than cluster version %s" % (wanted, cluster["version"]),
        )

    def change():
        group.update(version=wanted, releaseVersion=release(wanted))
        if body.get("launchTemplate"):
            group["launchTemplate"] = body["launchTemplate"]

    def external(finish):
        nodegroups.hand_over(
            name,
            group["nodegroupName"],
            "version",
            finish,
            version=wanted,
            releaseVersion=release(wanted),
            force=bool(body.get("force")),
        )

    return begin_update(name, "VersionUpdate", [("Version", wanted)], group, change, external)


def update_nodegroup_config(name, group, body):
    scaling = {**group["scalingConfig"], **(body.get("scalingConfig") or {})}
    if not scaling["minSize"] <= scaling["desiredSize"] <= scaling["maxSize"]:
        return error(400, "InvalidParameterException", "desiredSize must be between minSize and maxSize")

    def change():
        group["scalingConfig"] = scaling
        if body.get("updateConfig"):
            group["updateConfig"] = body["updateConfig"]
        labels = body.get("labels") or {}
        group["labels"].update(labels.get("addOrUpdateLabels") or {})
        for label in labels.get("removeLabels") or []:
            group["labels"].pop(label, None)
        taints = body.get("taints") or {}
        added = taints.get("addOrUpdateTaints") or []
        gone = {(taint["key"], taint["effect"]) for taint in added + (taints.get("removeTaints") or [])}
        group["taints"] = [
            taint for taint in group["taints"] if (taint["key"], taint["effect"]) not in gone
        ] + added

    def external(finish):
        change()  # its nodes follow what is wanted
        nodegroups.hand_over(name, group["nodegroupName"], "config", finish)

    return begin_update(name, "ConfigUpdate", [], group, change, external)


def release(version):
    return version + ".0-20260101"


def addon_version(name, kubernetes):
    return ADDONS.get(name, "v1.0.0-eksbuild.1").format(kubernetes)


def addon_versions(query):
    def value(key):
        found = query.get(key)
        return found[0] if isinstance(found, list) else found

    kubernetes = value("kubernetesVersion") or KUBERNETES_VERSIONS[0]
    compatible = [{"clusterVersion": kubernetes, "platformVersions": ["*"], "defaultVersion": True}]
    return ok(
        {
            "addons": [
                {
                    "addonName": name,
                    "addonVersions": [
                        {
                            "addonVersion": addon_version(name, kubernetes),
                            "architecture": ["amd64", "arm64"],
                            "compatibilities": compatible,
                        }
                    ],
                }
                for name in ADDONS
                if value("addonName") in (None, name)
            ]
        }
    )


def created_cluster(body):
    cluster = eks._clusters[body["name"]]
    if cluster["version"] not in KUBERNETES_VERSIONS:
        eks._clusters.pop(body["name"])
        return error(400, "InvalidParameterException", "unsupported Kubernetes version " + cluster["version"])
    group = ec2._new_sg_id()
    ec2._security_groups[group] = {
        "GroupId": group,
        "GroupName": "eks-cluster-sg-" + body["name"],
        "Description": "EKS created security group",
        "VpcId": vpc_of(cluster["resourcesVpcConfig"]["subnetIds"]),
        "OwnerId": get_account_id(),
        "IpPermissions": [],
        "IpPermissionsEgress": [],
    }
    config = cluster["resourcesVpcConfig"]
    config.update(clusterSecurityGroupId=group, vpcId=ec2._security_groups[group]["VpcId"])
    cluster["certificateAuthority"]["data"] = CERTIFICATE
    cluster["upgradePolicy"] = body.get("upgradePolicy") or {"supportType": "EXTENDED"}
    cluster["identity"]["oidc"]["issuer"] = "https://oidc.eks.%s.amazonaws.com/id/%s" % (
        get_region(),
        uuid.uuid4().hex.upper(),
    )
    # Without Docker ministack makes the cluster active in a thread of its own.
    time.sleep(0.05)
    cluster["status"] = "CREATING"
    cluster["endpoint"] = os.environ.get("EMULATOR_EKS_ENDPOINT") or cluster.get("endpoint")
    later(lambda: cluster.update(status="ACTIVE"))
    return ok({"cluster": eks._sanitize(cluster)})


def vpc_of(subnets):
    for subnet in subnets:
        if subnet in ec2._subnets:
            return ec2._subnets[subnet]["VpcId"]
    return ec2._DEFAULT_VPC_ID


def created_nodegroup(cluster, body):
    group = eks._nodegroups["%s/%s" % (cluster, body["nodegroupName"])]
    group["releaseVersion"] = group["releaseVersion"] or release(group["version"])
    group["updateConfig"] = body.get("updateConfig") or {"maxUnavailable": 1}
    if body.get("launchTemplate"):
        group["launchTemplate"] = body["launchTemplate"]
        group.pop("diskSize", None)
    group["status"] = "CREATING"

    def finish(errors=()):
        group.update(status="CREATE_FAILED" if errors else "ACTIVE", health={"issues": list(errors)})
        if nodegroups.EXTERNAL and not errors:
            interfaces.attach(cluster, group)

    if nodegroups.EXTERNAL:
        nodegroups.hand_over(cluster, group["nodegroupName"], "create", finish)
    else:
        later(finish)
    return ok({"nodegroup": copy.deepcopy(group)})


def delete_cluster(name):
    cluster = eks._clusters[name]
    if any(key.startswith(name + "/") for key in eks._nodegroups.keys()):
        return error(409, "ResourceInUseException", "Cluster has nodegroups attached")
    for key in [key for key in eks._addons.keys() if key.startswith(name + "/")]:
        eks._addons.pop(key)
    ec2._security_groups.pop(cluster["resourcesVpcConfig"]["clusterSecurityGroupId"], None)
    return None


def of_cluster(method, name, rest, body):
    """Answers what ministack does not; None leaves the request to it."""
    cluster = eks._clusters.get(name)
    if not cluster:
        return None
    if (method, rest) == ("POST", "/updates"):
        return update_cluster_version(name, cluster, body)
    if (method, rest) == ("POST", "/update-config"):
        return update_cluster_config(name, cluster, body)
    if (method, rest) == ("DELETE", ""):
        return delete_cluster(name)
    if (method, rest) == ("POST", "/insights"):
        return insights(name, body)
    where = (get_account_id(), get_region(), name)
    if (method, rest) == ("GET", "/updates"):
        return ok({"updateIds": [key[3] for key in updates if key[:3] == where]})
    found = re.fullmatch(r"/updates/([\w-]+)", rest)
    if found:
        update = updates.get((*where, found.group(1)))
        if update:
            return ok({"update": update})
        return error(404, "ResourceNotFoundException", "No update found for ID: " + found.group(1))
    found = re.fullmatch(r"/node-groups/([\w-]+)", rest)
    if found and method == "DELETE" and nodegroups.EXTERNAL:
        group = eks._nodegroups.get("%s/%s" % (name, found.group(1)))

        def gone():
            interfaces.detach(group)
            eks._delete_nodegroup(name, group["nodegroupName"])

        return group and nodegroups.delete(name, group, gone)
    found = re.fullmatch(r"/node-groups/([\w-]+)/update-(config|version)", rest)
    if not found:
        return None
    group = eks._nodegroups.get("%s/%s" % (name, found.group(1)))
    if not group:
        return error(404, "ResourceNotFoundException", "No node group found for name: " + found.group(1))
    if found.group(2) == "config":
        return update_nodegroup_config(name, group, body)
    return update_nodegroup_version(name, cluster, group, body)


def insights(name, body):
    """What EKS says of upgrades: here that no kubelet may fall more than three
    minor versions behind."""
    groups = [group for key, group in eks._nodegroups.items() if key.startswith(name + "/")]
    found = []
    for version in (body.get("filter") or {}).get("kubernetesVersions") or KUBERNETES_VERSIONS:
        behind = [group["nodegroupName"] for group in groups if minor(version) - minor(group["version"]) > 3]
        found.append(
            {
                "id": str(uuid.uuid5(uuid.NAMESPACE_URL, name + "/kubelet-skew/" + version)),
                "name": "Kubelet version skew",
                "category": "UPGRADE_READINESS",
                "kubernetesVersion": version,
                "lastRefreshTime": time.time(),
                "lastTransitionTime": time.time(),
                "description": "Checks that the kubelets are within what the control plane supports.",
                "insightStatus": {
                    "status": "ERROR" if behind else "PASSING",
                    "reason": "Too old for %s: %s" % (version, ", ".join(behind)) if behind else "",
                },
            }
        )
    return ok({"insights": found})


handle_in_ministack = eks._handle_request_sync


def handle_eks(method, path, headers, raw, query):
    try:
        body = json.loads(raw) if raw else {}
    except ValueError:
        body = {}
    if path.startswith("/_emulator/"):
        return nodegroups.handle(method, path, body) or error(404, "NotFoundException", path)
    if path == "/addons/supported-versions":
        return addon_versions(query)
    if path == "/cluster-versions":
        return ok(
            {
                "clusterVersions": [
                    {"clusterVersion": version, "status": "STANDARD_SUPPORT", "versionStatus": "STANDARD_SUPPORT"}
                    for version in KUBERNETES_VERSIONS
                ]
            }
        )
    found = re.fullmatch(r"/clusters/([\w-]+)(/.*)?", path)
    if found:
        answer = of_cluster(method, found.group(1), found.group(2) or "", body)
        if answer is not None:
            return answer
    adds = re.fullmatch(r"/clusters/([\w-]+)/addons", path)
    if adds and method == "POST" and not body.get("addonVersion") and found.group(1) in eks._clusters:
        body["addonVersion"] = addon_version(body.get("addonName", ""), eks._clusters[found.group(1)]["version"])
        raw = json.dumps(body).encode()
    answer = handle_in_ministack(method, path, headers, raw, query)
    if method != "POST" or answer[0] != 200:
        return answer
    if path == "/clusters":
        return created_cluster(body)
    found = re.fullmatch(r"/clusters/([\w-]+)/node-groups", path)
    if found:
        return created_nodegroup(found.group(1), body)
    return answer


create_in_ministack = rds._create_db_instance
delete_in_ministack = rds._delete_db_instance
instance_in_ministack = rds._instance_xml
cache_cluster_in_ministack = elasticache._cluster_xml_inner


def create_db_instance(params):
    answer = create_in_ministack(params)
    name = rds._p(params, "DBInstanceIdentifier")
    if answer[0] != 200:
        return answer
    instance = rds._instances[name]
    instance["EnabledCloudwatchLogsExports"] = rds._parse_member_list(params, "EnableCloudwatchLogsExports")
    if rds._p(params, "ManageMasterUserPassword") == "true":
        instance["MasterUserSecretArn"] = secretsmanager.create_secret_in_process(
            "rds!db-" + str(uuid.uuid4()),
            json.dumps({"username": instance["MasterUsername"], "password": uuid.uuid4().hex}),
            description="Secret managed by RDS for DB instance " + name,
        )
    return answer


def delete_db_instance(params):
    instance = rds._instances.get(rds._p(params, "DBInstanceIdentifier")) or {}
    arn = instance.get("MasterUserSecretArn")
    answer = delete_in_ministack(params)
    if answer[0] == 200 and arn:
        for key in [key for key, secret in secretsmanager._secrets.items() if secret["ARN"] == arn]:
            secretsmanager._secrets.pop(key)
    return answer


def instance_xml(instance):
    logs = "".join("<member>%s</member>" % log for log in instance.get("EnabledCloudwatchLogsExports") or [])
    text = instance_in_ministack(instance).replace(
        "<EnabledCloudwatchLogsExports/>",
        "<EnabledCloudwatchLogsExports>%s</EnabledCloudwatchLogsExports>" % logs,
    )
    arn = instance.get("MasterUserSecretArn")
    if arn:
        text += (
            "<MasterUserSecret><SecretArn>%s</SecretArn><SecretStatus>active</SecretStatus></MasterUserSecret>" % arn
        )
    return text


def cache_cluster_xml(cluster):
    upgraded = str(cluster.get("AutoMinorVersionUpgrade", True)).lower()
    return cache_cluster_in_ministack(cluster) + "<AutoMinorVersionUpgrade>%s</AutoMinorVersionUpgrade>" % upgraded


answers = {}  # (account, region, action, client token) -> what the first request got


def once(action, handle):
    """An action that answers a request with the same client token as before."""

    def answer(params):
        token = params.get("ClientToken")
        token = token[0] if isinstance(token, list) else token
        if not token:
            return handle(params)
        key = (get_account_id(), get_region(), action, token)
        if key not in answers:
            found = handle(params)
            if found[0] != 200:
                return found
            answers[key] = found
        return answers[key]

    return answer


def with_addresses(describe):
    """NAT gateways are described with their address, which an import needs."""

    def address(found):
        nat = ec2._nat_gateways[found.group(1)]
        return found.group(0).replace(
            "<natGatewayAddressSet/>",
            "<natGatewayAddressSet><item><allocationId>%s</allocationId><isPrimary>true</isPrimary>"
            "<status>succeeded</status></item></natGatewayAddressSet>" % nat["AllocationId"],
        )

    def answer(params):
        status, headers, body = describe(params)
        text = body.decode() if isinstance(body, bytes) else body
        pattern = r"<natGatewayId>([^<]+)</natGatewayId>.*?<natGatewayAddressSet/>"
        return status, headers, re.sub(pattern, address, text, flags=re.DOTALL)

    return answer


# Resource types as they stand in ARNs, by the prefix of EC2's ids.
EC2_TYPES = {
    "eipalloc": "elastic-ip",
    "eni": "network-interface",
    "igw": "internet-gateway",
    "lt": "launch-template",
    "nat": "natgateway",
    "rtb": "route-table",
    "sg": "security-group",
    "sgr": "security-group-rule",
    "subnet": "subnet",
    "vol": "volume",
    "vpc": "vpc",
    "vpce": "vpc-endpoint",
}


def in_ec2(name):
    """Whether it is there: ministack keeps the tags of what is deleted."""
    for store in vars(ec2).values():
        if store is not ec2._tags and isinstance(store, type(ec2._tags)) and name in store:
            found = store[name]
            return not isinstance(found, dict) or found.get("State") != "deleted"
    return any(
        rule.get("SecurityGroupRuleId") == name
        for group in ec2._security_groups.values()
        for rule in group["IpPermissions"]
    )


def collect_ec2():
    for name, tags in ec2._tags.items():
        kind = EC2_TYPES.get(name.rsplit("-", 1)[0])
        if kind and in_ec2(name):
            yield "arn:aws:ec2:%s:%s:%s/%s" % (get_region(), get_account_id(), kind, name), tags


def collect_eks():
    for arn, tags in eks._tags.items():
        yield arn, tagging._normalise_flat(tags)


def collect_rds():
    for arn, tags in rds._tags.items():
        yield arn, tags


def repository_uri(name):
    return "%s:%s/%s" % (os.environ["MINISTACK_HOST"], os.environ["GATEWAY_PORT"], name)


describe_in_ministack = ecr._describe_images
batch_delete_in_ministack = ecr._batch_delete_image


def describe_images(data):
    name = data.get("repositoryName", "")
    if name in ecr._repositories:
        for wanted in data.get("imageIds") or []:
            if not ecr._find_image(name, wanted):
                return ecr.error_response_json(
                    "ImageNotFoundException", "The image with imageId %s does not exist" % wanted, 400
                )
    return describe_in_ministack(data)


def referred(name):
    """The digests that indices of the repository refer to."""
    found = set()
    for image in ecr._images.get(name, []):
        for manifest in json.loads(image["imageManifest"]).get("manifests") or []:
            found.add(manifest["digest"])
    return found


def batch_delete_image(data):
    name, asked = data.get("repositoryName", ""), data.get("imageIds") or []
    kept = referred(name)
    answer = batch_delete_in_ministack(
        {**data, "imageIds": [image for image in asked if image.get("imageDigest") not in kept]}
    )
    if answer[0] != 200:
        return answer
    body = json.loads(answer[2])
    for deleted in body["imageIds"]:
        ecr._manifest_blobs.get(name, {}).pop(deleted["imageDigest"], None)
    for image in asked:
        if image.get("imageDigest") in kept:
            body["failures"].append(
                {
                    "imageId": image,
                    "failureCode": "ImageReferencedByManifestList",
                    "failureReason": "Requested image referenced by manifest list",
                }
            )
    return ecr.json_response(body)


def collect_logs():
    for group in cloudwatch_logs._log_groups.values():
        yield group["arn"].removesuffix(":*"), tagging._normalise_flat(group["tags"])


def collect_elb():
    for arn, tags in alb._tags.items():
        yield arn, tagging._normalise_list(tags)


def main():
    tagging._COLLECTORS.update(
        ec2=collect_ec2,
        eks=collect_eks,
        elasticloadbalancing=collect_elb,
        logs=collect_logs,
        rds=collect_rds,
        secretsmanager=tagging._collect_secretsmanager,
    )
    eks._handle_request_sync = handle_eks
    for action, handle in list(ec2._ACTION_MAP.items()):
        if action.startswith(("Create", "Allocate", "Run")):
            ec2._ACTION_MAP[action] = once(action, handle)
    ec2._ACTION_MAP["DescribeNatGateways"] = with_addresses(ec2._ACTION_MAP["DescribeNatGateways"])
    interfaces.guard(ec2._ACTION_MAP)
    rds._instance_xml = instance_xml
    elasticache._cluster_xml_inner = cache_cluster_xml
    ecr._repo_uri = repository_uri
    ecr._describe_images = describe_images
    ecr._batch_delete_image = batch_delete_image
    for actions in [value for value in vars(rds).values() if isinstance(value, dict) and "CreateDBInstance" in value]:
        actions["CreateDBInstance"] = create_db_instance
        actions["DeleteDBInstance"] = delete_db_instance
    app.main()


if __name__ == "__main__":
    main()
