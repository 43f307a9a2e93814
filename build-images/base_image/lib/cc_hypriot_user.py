"""Removes the user of the image when user-data names others in its place.

The image has its user from the start, so that a board can be used without cloud-init. user-data that has `users` without
`default` (or `user` with another name) replaces that user, and nobody must be left who knows the image's password.
"""

import logging
import os

from cloudinit import subp, util
from cloudinit.distros import ug_util
from cloudinit.settings import PER_ONCE

LOG = logging.getLogger(__name__)
meta = {"id": "cc_hypriot_user", "distros": ["all"], "frequency": PER_ONCE, "activate_by_schema_keys": []}


def handle(name, cfg, cloud, args):
    default = cloud.distro.get_default_user()["name"]
    users, _groups = ug_util.normalize_users_groups(cfg, cloud.distro)
    if not users or default in users:
        return
    LOG.info("user-data has other users: removing %s", default)
    # 6: there is no such user
    subp.subp(["userdel", "--remove", default], rcs=[0, 6])
    util.del_file(os.path.join("/etc/sudoers.d", "user-" + default))
