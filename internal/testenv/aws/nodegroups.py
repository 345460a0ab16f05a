"""EKS node groups whose nodes somebody else makes.

With EMULATOR_EKS_EXTERNAL_NODES=1 nothing about a node group is done until the
one who makes its nodes says so. What there is to do stands at

  GET /_emulator/nodegroups

and is reported, with the errors of an update that failed, to

  POST /_emulator/nodegroups/CLUSTER/GROUP  {"work": ID, "errors": [...]}
"""

import copy
import json
import os
import re
import uuid

from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2, eks

EXTERNAL = os.environ.get("EMULATOR_EKS_EXTERNAL_NODES") == "1"

pending = {}  # (account, region, cluster, group) -> (work, what to do when it is done)


def key(cluster, group):
    return get_account_id(), get_region(), cluster, group


def hand_over(cluster, group, kind, finish, **details):
    """Has finish(errors) called when the work is reported; it replaces other work on the group."""
    work = {"id": str(uuid.uuid4()), "kind": kind, **details}
    pending[key(cluster, group)] = (work, finish)


def delete(cluster, group, gone):
    """Answers DeleteNodegroup; gone() forgets the group."""
    group["status"] = "DELETING"
    hand_over(cluster, group["nodegroupName"], "delete", lambda errors: gone())
    return eks._json_resp(200, {"nodegroup": copy.deepcopy(group)})


def zones(group):
    return sorted({ec2._subnets[subnet]["AvailabilityZone"] for subnet in group["subnets"] if subnet in ec2._subnets})


def handle(method, path, body):
    """Answers the control path; None for any other."""
    if (method, path) == ("GET", "/_emulator/nodegroups"):
        return eks._json_resp(200, {"groups": [described(group) for group in list(eks._nodegroups.values())]})
    found = re.fullmatch(r"/_emulator/nodegroups/([\w-]+)/([\w-]+)", path)
    if method != "POST" or not found:
        return None
    where = key(*found.groups())
    work, finish = pending.get(where) or ({}, None)
    if work.get("id") != body.get("work"):
        return eks._error(409, "ResourceInUseException", "That is not what is to be done: " + json.dumps(work))
    pending.pop(where)
    finish(body.get("errors") or [])
    return eks._json_resp(200, {})


def described(group):
    work, _ = pending.get(key(group["clusterName"], group["nodegroupName"])) or (None, None)
    return {**group, "zones": zones(group), "work": work}
