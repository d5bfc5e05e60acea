"""Talk between main and the watchdog on one machine: signed heartbeats, and commands that can only reduce risk."""

from core.ipc.commands import COMMAND, REPLY, Command, CommandClient, CommandReply, CommandServer
from core.ipc.endpoints import Endpoints
from core.ipc.heartbeat import HEARTBEAT, HeartbeatListener, HeartbeatPublisher
from core.ipc.messages import Message, Refusal, RefusalReason, Signer, Verifier

__all__ = [
    "COMMAND",
    "HEARTBEAT",
    "REPLY",
    "Command",
    "CommandClient",
    "CommandReply",
    "CommandServer",
    "Endpoints",
    "HeartbeatListener",
    "HeartbeatPublisher",
    "Message",
    "Refusal",
    "RefusalReason",
    "Signer",
    "Verifier",
]
