"""What a member or a token may do, and what everything that can be asked of a node needs.

Rights are judged here and nowhere else, for both doors. The peers' door is a stream that another
node opens (`p2p/doorkeeper.py` asks before its handler is called); the other one is an operation of
the REST face (`api/porter.py` asks before it is done). A protocol or an operation without a row is
open to nobody. What a change in the catalog may say is another question, which each node answers
for itself from the roster (`crdt/fold.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

CATALOG_READ, CATALOG_WRITE = "catalog.read", "catalog.write"
CATALOG_UNSEAL = "catalog.unseal"  # is given the library key; a sealed archive lacks it
BLOBS_READ, BLOBS_HOLD = "blobs.read", "blobs.hold"
CONFLICTS_RESOLVE, MEMBERS_ADMIN, JOBS_RUN = "conflicts.resolve", "members.admin", "jobs.run"

MEMBER_SCOPES = (
    CATALOG_READ, CATALOG_UNSEAL, CATALOG_WRITE, BLOBS_READ, BLOBS_HOLD, CONFLICTS_RESOLVE,
    JOBS_RUN,
)  # fmt: skip
SEALED_SCOPES = tuple(scope for scope in MEMBER_SCOPES if scope != CATALOG_UNSEAL)
ADMIN_SCOPES = (*MEMBER_SCOPES, MEMBERS_ADMIN)

Need = tuple[str, ...] | None  # all of these scopes; none of them for ANY_OF_US
ANY_OF_US: Need = ()  # a member, or whoever has a token that is good
ANYBODY: Need = None  # strangers, too

# Who may open a stream of a protocol, and, where both sides tell each other what they know, with
# whom one may be opened.
PROTOCOLS: Mapping[str, Need] = {
    "/photonic/catalog/1": (CATALOG_READ,),
    "/photonic/blobs/1": (BLOBS_READ,),
    "/photonic/lanes/1": (BLOBS_READ,),  # whoever asks for a lane fetches over it
    "/photonic/promises/1": (BLOBS_HOLD,),  # whoever evicts is somebody who holds
    "/photonic/relay/1": ANY_OF_US,
    "/photonic/invited/1": ANY_OF_US,
    "/photonic/enrol/1": ANYBODY,  # guests, of whom the gate decides; an invitation is judged there
}
MUTUAL = frozenset({"/photonic/catalog/1"})

# By the name of the function that answers. A folder of the node's machine is a job's business, for
# what is imported from there can be looked at from here; and what cannot be taken back, or not from
# afar, is an admin's.
OPERATIONS: Mapping[str, Need] = {
    # probes, the session and the description of all this
    "read_health": ANYBODY,
    "log_in": ANYBODY,
    "read_session": ANY_OF_US,
    "log_out": ANY_OF_US,
    "read_description": ANY_OF_US,
    # looking
    "read_metrics": (CATALOG_READ,),
    "read_status": (CATALOG_READ,),
    "listen": (CATALOG_READ,),
    "count_photos": (CATALOG_READ,),
    "read_timeline": (CATALOG_READ,),
    "read_facets": (CATALOG_READ,),
    "list_photos": (CATALOG_READ,),
    "read_photo": (CATALOG_READ,),
    "list_conflicts": (CATALOG_READ,),
    "read_photo_log": (CATALOG_READ,),
    "list_acts": (CATALOG_READ,),
    "list_trash": (CATALOG_READ,),
    "list_albums": (CATALOG_READ,),
    "read_display_policy": (CATALOG_READ,),
    "read_placement": (CATALOG_READ,),
    "read_placement_policy": (CATALOG_READ,),
    "check_placement_policy": (CATALOG_READ,),
    "list_peers": (CATALOG_READ,),
    "list_members": (CATALOG_READ,),
    "list_imports": (CATALOG_READ,),
    "list_catalog_tasks": (CATALOG_READ,),
    "list_verifications": (CATALOG_READ,),
    "read_scrub": (CATALOG_READ,),
    "read_scrub_calendar": (CATALOG_READ,),
    "read_limits": (CATALOG_READ,),
    "list_transfers": (CATALOG_READ,),
    "read_redundancy": (CATALOG_READ,),
    "list_pauses": (CATALOG_READ,),
    "list_evictions": (CATALOG_READ,),
    "read_keys": (CATALOG_READ,),
    "read_exports": (CATALOG_READ,),
    "read_original": (BLOBS_READ,),
    "read_preview": (BLOBS_READ,),
    # editing
    "edit_photo": (CATALOG_WRITE,),
    "edit_photos": (CATALOG_WRITE,),
    "undo": (CATALOG_WRITE,),
    "reseal_fields": (CATALOG_WRITE,),
    "discard_photos": (CATALOG_WRITE,),
    "restore_photos": (CATALOG_WRITE,),
    "create_album": (CATALOG_WRITE,),
    "change_album": (CATALOG_WRITE,),
    "delete_album": (CATALOG_WRITE,),
    "resolve_conflict": (CONFLICTS_RESOLVE,),
    # running the node
    "run_doctor": (JOBS_RUN,),
    "start_verification": (JOBS_RUN,),
    "write_scrub": (JOBS_RUN,),
    "write_limits": (JOBS_RUN,),
    "reset_limits": (JOBS_RUN,),
    "evict": (JOBS_RUN,),  # nothing goes that is not proven to be elsewhere
    "pause": (JOBS_RUN,),
    "resume": (JOBS_RUN,),
    "export_catalog": (CATALOG_READ, JOBS_RUN),
    "start_import": (CATALOG_WRITE, JOBS_RUN),
    "import_catalog": (CATALOG_WRITE, JOBS_RUN),
    "empty_trash": (CATALOG_WRITE, MEMBERS_ADMIN),
    "confirm_removals": (CATALOG_WRITE, MEMBERS_ADMIN),  # the brake on whoever may write
    "write_display_policy": (MEMBERS_ADMIN,),
    "write_placement_policy": (MEMBERS_ADMIN,),
    "change_placement_policy": (MEMBERS_ADMIN,),
    "stop": (MEMBERS_ADMIN,),
    # who may do what
    "invite": (MEMBERS_ADMIN,),
    "revoke_member": (MEMBERS_ADMIN,),
    "restore_member": (MEMBERS_ADMIN,),
    "change_rights": (MEMBERS_ADMIN,),
    "write_export_rules": (MEMBERS_ADMIN,),  # who mounts the tree sees every photo
    "reset_export_rules": (MEMBERS_ADMIN,),
    "rotate_keys": (MEMBERS_ADMIN,),
    "write_sealed_fields": (MEMBERS_ADMIN,),
    "join": (MEMBERS_ADMIN,),
    "list_tokens": (MEMBERS_ADMIN,),
    "list_audit_entries": (MEMBERS_ADMIN,),
    "verify_audit_log": (MEMBERS_ADMIN,),
    "create_token": (MEMBERS_ADMIN,),
    "revoke_token": (MEMBERS_ADMIN,),
}


def allows(rows: Mapping[str, Need], name: str, held: Collection[str] | None) -> bool:
    """Tell whether who holds the scopes `held` may do `name`; None is who has shown nothing."""
    if name not in rows:
        return False
    need = rows[name]
    return need is None or (held is not None and set(need) <= set(held))


def named(need: Need) -> str:
    """Say in words what is needed."""
    return "nothing" if need is None else " and ".join(need) or "a token"
