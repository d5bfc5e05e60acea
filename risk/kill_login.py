"""With which broker login a kill was begun: a kill that is taken up again must not flatten another account."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from core.accounts import is_account_of
from core.config_schema import Settings

OTHER_LOGIN = "other_login"
"""Step in the journal of a kill that was not completed because the login is another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KillLogin:
    """An account and the way to it. What was not known, or not recorded by an earlier version, is empty.

    Parameters
    ----------
    account
        The account.
    mode
        ``paper`` or ``live``, as configured.
    address
        Host and port of the gateway.
    """

    account: str = ""
    mode: str = ""
    address: str = ""

    @classmethod
    def configured(cls, settings: Settings) -> KillLogin:
        """Return what the configuration says; without an ``account_id`` only the login will tell the account."""
        address = f"{settings.broker.host}:{settings.broker.port}"
        return cls(account=settings.account_id or "", mode=settings.mode, address=address)

    @classmethod
    def of(cls, payload: Mapping[str, object]) -> KillLogin:
        """Return what the record of a kill's start holds."""
        return cls(**{name: str(payload.get(name, "")) for name in ("account", "mode", "address")})

    def payload(self) -> dict[str, str]:
        """Return it as the record of a kill's start holds it."""
        return asdict(self)

    def at(self, account: str | None) -> KillLogin:
        """Return the same login, with the account that the session works with if that is known."""
        return self if account is None else replace(self, account=account)

    def describe(self) -> str:
        """Name it, in half a sentence."""
        account = f"account {self.account}" if self.account else "the login's account"
        return f"{account} at {self.address or 'an unknown address'}, mode {self.mode or 'unknown'}"

    def differs_from(self, configured: KillLogin) -> bool:
        """Whether a kill of this login is none of the configured one. What is known of one only does not count."""
        pairs = zip(self.payload().values(), configured.payload().values(), strict=True)
        return any(ours and theirs and ours != theirs for ours, theirs in pairs)

    def refusal(self, configured: KillLogin, account: str | None, accounts: Sequence[str]) -> str | None:
        """Say why a kill of this login is not to be completed in the one that the broker has just named.

        Parameters
        ----------
        configured
            What the configuration says.
        account, accounts
            The session's account, None when it is ambiguous, and all accounts of the login.

        Returns
        -------
        str or None
            None when nothing speaks against it. Where the kill's account was recorded it alone decides; else the
            accounts must at least be of the configured mode.
        """
        found = ", ".join(accounts)
        if self.account:
            return None if account == self.account or not accounts else f"this login has {found}"
        touched = accounts if account is None else (account,)
        if all(is_account_of(configured.mode, name) for name in touched):
            return None
        return f"mode is {configured.mode}, but this login has {found}"
