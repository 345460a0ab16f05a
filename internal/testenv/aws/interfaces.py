"""The network interfaces that the VPC CNI of EKS's nodes makes: one beside each
node's own. What a node holds cannot be deleted, and a node that ends may leave
one behind, which keeps its subnet from being deleted."""

import uuid

from ministack.core.responses import get_account_id
from ministack.services import ec2


def attach(cluster, group):
    """Gives each node of a group its second interface, where EC2 has its subnets."""
    subnets = [subnet for subnet in group["subnets"] if subnet in ec2._subnets]
    for number in range(group["scalingConfig"]["desiredSize"] if subnets else 0):
        subnet = subnets[number % len(subnets)]
        name = "eni-" + uuid.uuid4().hex[:17]
        ec2._network_interfaces[name] = {
            "NetworkInterfaceId": name,
            "SubnetId": subnet,
            "VpcId": ec2._subnets[subnet]["VpcId"],
            "AvailabilityZone": ec2._subnets[subnet]["AvailabilityZone"],
            "Description": "aws-K8S-" + group["nodegroupName"],
            "OwnerId": get_account_id(),
            "Status": "in-use",
            "PrivateIpAddress": "10.20.0.%d" % (number + 10),
            "InterfaceType": "interface",
            "SourceDestCheck": True,
            "MacAddress": "02:00:00:00:00:%02x" % number,
            "Groups": [],
            "Attachment": None,
        }
        ec2._tags[name] = [
            {"Key": "cluster.k8s.amazonaws.com/name", "Value": cluster},
            {"Key": "node.k8s.amazonaws.com/instance_id", "Value": group["nodegroupName"]},
            {"Key": "eks:eni:owner", "Value": "amazon-vpc-cni"},
        ]


def detach(group):
    """Takes the interfaces of a group's nodes with them, but for one."""
    held = [
        name
        for name, interface in ec2._network_interfaces.items()
        if interface["Status"] == "in-use" and interface["Description"] == "aws-K8S-" + group["nodegroupName"]
    ]
    for name in held[1:]:
        ec2._network_interfaces.pop(name)
    for name in held[:1]:
        ec2._network_interfaces[name]["Status"] = "available"


def guard(actions):
    """Has EC2 keep what is in use."""
    delete_interface, delete_subnet = actions["DeleteNetworkInterface"], actions["DeleteSubnet"]

    def delete_unused_interface(params):
        name = ec2._p(params, "NetworkInterfaceId")
        if ec2._network_interfaces.get(name, {}).get("Status") == "in-use":
            return ec2._error("InvalidParameterValue", "Network interface '%s' is currently in use." % name, 400)
        return delete_interface(params)

    def delete_empty_subnet(params):
        name = ec2._p(params, "SubnetId")
        if any(interface["SubnetId"] == name for interface in ec2._network_interfaces.values()):
            return ec2._error(
                "DependencyViolation", "The subnet '%s' has dependencies and cannot be deleted." % name, 400
            )
        return delete_subnet(params)

    actions.update(DeleteNetworkInterface=delete_unused_interface, DeleteSubnet=delete_empty_subnet)
