"""What a node and the service say to each other, as JSON over HTTPS below ``/crossdock/v1/nodes``.

A node signs in with a JSON Web Token that it signs itself (RFC 7519, ES256): ``kid`` is its id, ``aud`` is
AUDIENCE, and it holds for at most TOKEN_SECONDS. Only registering takes an auth key instead.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

PROTOCOL = 1
AUDIENCE = "crossdock-service"
ALGORITHM = "ES256"
TOKEN_SECONDS = 600
CLOCK = "ClockSkew"
"""The code of what is refused for a token whose times do not hold: the node is known all the same."""
MOST_JOBS = 1000
"""What a node may take at once."""
EXPIRES_AT_LEAST = 600  # seconds, as AE_TIME of Microsoft's container

NodeName = Annotated[str, Field(pattern=r"^[a-z0-9A-Z][a-z0-9A-Z_-]{0,149}$")]


class Message(BaseModel):
    """Keys that are not known are left out: a newer side may say more."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Vault(Message):
    """The runtime's vault as a node makes it: ``private_key`` is sealed to that node."""

    public_key: str = Field(max_length=1000)
    private_key: str = Field(max_length=2000)


class Register(Message):
    """``auth_key`` is one of the runtime's two. The public keys are PEM: P-256, to verify what the node
    signs, and to seal secrets to it. The ``vault`` is taken where the runtime has none yet. ``alone``: it
    wants no other node in the runtime. ``expires``: once it has been offline for so many seconds, it is
    deleted when the next node registers."""

    protocol: int = PROTOCOL
    auth_key: str = Field(max_length=1000, repr=False)
    name: NodeName
    machine: str = Field(max_length=260)
    version: str = Field(max_length=64)
    signing_key: str = Field(max_length=1000)
    sealing_key: str = Field(max_length=1000)
    vault: Vault
    alone: bool = False
    expires: int | None = Field(default=None, ge=EXPIRES_AT_LEAST)
    concurrent_jobs: int = Field(ge=1, le=MOST_JOBS)
    most_jobs: int = Field(ge=1, le=MOST_JOBS)


class Registered(Message):
    """Who the node is from now on. Times are seconds."""

    node_id: str
    factory: str
    runtime: str
    guid: str
    heartbeat: float
    lease: float


class Load(Message):
    """What a node's machine does. Percent, MB, and MB a second."""

    cpu: int = Field(default=0, ge=0, le=100)
    memory: int = Field(default=0, ge=0)
    sent: float = 0.0
    received: float = 0.0


class Capabilities(Message):
    """What of the node works: the relay, and the port for other nodes.

    ``relay_problem`` says why the relay does not, where it should.
    """

    relay: bool = False
    relay_problem: str = Field(default="", max_length=1000)
    remote_access: bool = False
    enabled: bool = True


class Holding(Message):
    """A job that the node has, and what its output would be by now."""

    id: str
    epoch: int
    progress: dict[str, Any] | None = None


class Heartbeat(Message):
    """``state``: what the node is about to do with itself. ``vault``: the version it opens. ``update``:
    whether it would update itself, or has failed to."""

    state: Literal["online", "initializing", "upgrading", "stopping"] = "online"
    version: str = Field(max_length=64)
    update: Literal["no", "wanted", "failed"] = "no"
    vault: int = Field(default=0, ge=0)
    load: Load = Load()
    capabilities: Capabilities = Capabilities()
    holding: list[Holding] = Field(default=[], max_length=1000)


class Share(Message):
    """Another node that lacks the vault's key, and its public key; or that key, sealed to it."""

    node_id: str
    key: str = Field(max_length=2000)


class Beaten(Message):
    """The answer to a heartbeat: jobs that are not the node's any more, and jobs to cancel.

    ``vault`` is the runtime's version, ``vault_key`` its private key, sealed to this node if it is behind.
    ``wanting`` are nodes to which this one can give it. ``lease``: for how many seconds jobs are the node's;
    ``heartbeat``: how many to wait until the next one.
    ``latest`` is the service's own version; with ``update`` the node is to update itself to it now.
    ``vault_wanted``: the runtime's vault is lost, and the node may make the next one.
    """

    lost: list[str]
    cancel: list[str]
    concurrent_jobs: int
    vault: int
    vault_key: str | None = None
    wanting: list[Share] = []
    lease: float | None = None
    heartbeat: float | None = None
    latest: str = ""
    update: bool = False
    vault_wanted: bool = False


class Shares(Message):
    """The vault's private key, sealed to other nodes."""

    version: int
    shares: list[Share] = Field(max_length=100)


class Sealed(Message):
    """A secret of a definition, sealed to the runtime's vault. ``id`` says where it is."""

    id: str
    data: str


class Secrets(Message):
    """All that is sealed to a version of the vault, and the nodes that open it, with their public keys."""

    version: int
    secrets: list[Sealed]
    nodes: list[Share]


class Resealed(Sealed):
    """The same secret, sealed to the next vault; ``was`` is how it was sealed to the one before."""

    was: str


class NextVault(Message):
    """The vault after the one of ``version``: its public key, its private key sealed to nodes, and all
    secrets, sealed to it."""

    version: int
    public_key: str = Field(max_length=1000)
    shares: list[Share]
    secrets: list[Resealed]


class Claim(Message):
    """Wait up to ``wait`` seconds for at most ``want`` jobs."""

    want: int = Field(ge=1, le=100)
    wait: float = Field(default=0.0, ge=0, le=60)


class Job(Message):
    """A job that the node now has. ``deadline`` is in seconds from now."""

    id: str
    epoch: int
    work: dict[str, Any]
    deadline: float | None = None


class Jobs(Message):
    """``lease``: for how many seconds they are the node's, from when the service had ``waited`` for so many
    since it was asked."""

    jobs: list[Job]
    lease: float | None = None
    waited: float = Field(default=0.0, ge=0)


class Company(Message):
    """``alone``: the runtime shall have no other node than the one that says so."""

    alone: bool


class Finish(Message):
    """How a job ended. ``result`` has the ``output``, or the ``error``."""

    epoch: int
    outcome: Literal["succeeded", "failed", "cancelled"]
    result: dict[str, Any] = {}


class Authoring(Message):
    """How interactive requests reach the runtime's nodes. ``self_contained``: as jobs, without the relay."""

    self_contained: bool


class Asked(Message):
    """Over the relay, from the service: an interactive request, for whose answer somebody waits ``seconds``.

    Without ``work``: nobody waits for it any more.
    """

    id: str
    work: dict[str, Any] | None = None
    seconds: float = 0.0


class Answered(Message):
    """Over the relay, from the node: how a request ended, as ``Finish`` says it of jobs."""

    id: str
    outcome: Literal["succeeded", "failed", "cancelled"]
    result: dict[str, Any] = {}
