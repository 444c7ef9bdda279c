"""Which integration runtime a name means, or the want of one."""

from __future__ import annotations

import sqlalchemy as sa

from ..database.tables import resources, runtime_links, runtimes
from .names import RUNTIME


def chosen(connection: sa.Connection, factory_id: int, name: str) -> int | None:
    """The id of the self-hosted runtime with the name; without one, of the only one that the factory has.

    A linked one is the one whose nodes do its work.
    """
    wanted = [resources.c.factory_id == factory_id, resources.c.kind == RUNTIME.segment]
    if name:
        wanted.append(resources.c.name_key == name.lower())
    does_it = sa.func.coalesce(runtime_links.c.runtime_id, resources.c.id)
    query = (
        sa.select(runtimes.c.resource_id)
        .select_from(resources)
        .outerjoin(runtime_links, runtime_links.c.resource_id == resources.c.id)
        .join(runtimes, runtimes.c.resource_id == does_it)
    )
    found = connection.execute(query.where(*wanted).limit(2)).scalars().all()
    return int(found[0]) if len(found) == 1 else None
