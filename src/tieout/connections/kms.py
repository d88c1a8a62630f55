"""Key management services as master keys: AWS KMS, Google Cloud KMS, Azure Key Vault, Vault's transit engine.

Each is a KeyWrapper of one key, named in TIEOUT_KMS; credentials are whatever the provider's own library finds, and
Vault's are VAULT_ADDR and VAULT_TOKEN. What a provider says is repeated as a code only, never as text.
"""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tieout.connections.wrapping import KeyWrapper, KmsUnreachableError, refused
from tieout.errors import ConfigurationError

TIMEOUT = 10.0
"""Seconds for one answer."""
FORMS = "aws:KEY-ID, gcp:projects/…/cryptoKeys/KEY, azure:https://NAME.vault.azure.net/keys/KEY or vault:transit/KEY"


def configured(variable: str) -> list[KeyWrapper]:
    """The keys that an environment variable names, by comma. Raises ConfigurationError for what names none, or needs
    a package that is not installed; asks nothing of any service."""
    return [_wrapper(text.strip(), variable) for text in os.environ.get(variable, "").split(",") if text.strip()]


def _wrapper(text: str, variable: str) -> KeyWrapper:
    scheme, _, key = text.partition(":")
    makers: dict[str, Callable[[str], KeyWrapper]] = {"aws": AwsKms, "gcp": GcpKms, "azure": AzureKms, "vault": Transit}
    if scheme not in makers or not key:
        raise ConfigurationError(f"{variable} names no key of a service: {text!r}.", advice=f"Give {FORMS}.")
    try:
        return makers[scheme](key)
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"{variable}={scheme}:… needs a package that is not installed.",
            advice=f"Run: pip install 'tieout[kms-{scheme}]'",
        ) from None


class AwsKms:
    """A symmetric key of AWS KMS: an id, an ARN or `alias/NAME`. Needs kms:Encrypt and kms:Decrypt."""

    def __init__(self, key: str) -> None:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError

        self._key = key
        region = key.split(":")[3] if key.startswith("arn:") and key.count(":") >= 5 else None
        options = Config(connect_timeout=TIMEOUT, read_timeout=TIMEOUT, retries={"total_max_attempts": 2})
        self._errors: tuple[type[Exception], ...] = (ClientError, BotoCoreError)
        try:
            self._client: Any = boto3.client("kms", region_name=region, config=options)
        except BotoCoreError as error:
            raise _aws(error) from None

    def wrap(self, key: bytes) -> tuple[str, bytes]:
        try:
            answer = self._client.encrypt(KeyId=self._key, Plaintext=key)
        except self._errors as error:
            raise _aws(error) from None
        return f"aws:{answer['KeyId']}", answer["CiphertextBlob"]

    def unwrap(self, name: str, blob: bytes) -> bytes:
        id = name.rpartition("/")[2]
        if not name.startswith("aws:") or not ("alias/" in self._key or self._key.rpartition("/")[2] == id):
            raise LookupError(name)
        try:
            answer = self._client.decrypt(KeyId=name.removeprefix("aws:"), CiphertextBlob=blob)
        except self._errors as error:
            raise _aws(error) from None
        return bytes(answer["Plaintext"])


def _aws(error: Any) -> Exception:
    code = getattr(error, "response", {}).get("Error", {}).get("Code", "") or type(error).__name__
    transient = ("Throttling", "KMSInternal", "DependencyTimeout", "InternalFailure", "ServiceUnavailable")
    if code.startswith(transient) or code.endswith(("ConnectionError", "TimeoutError")):
        return KmsUnreachableError("AWS KMS", code)
    if code in ("NoRegionError", "NoCredentialsError"):
        return refused(
            "AWS KMS", code, "Give region and credentials as boto3 takes them: AWS_REGION, a profile, a role."
        )
    return refused("AWS KMS", code, "Who administers the key decides: enable it, or allow kms:Encrypt and kms:Decrypt.")


class GcpKms:
    """A symmetric key of Google Cloud KMS, by its whole resource name. Needs the role cryptoKeyEncrypterDecrypter."""

    def __init__(self, key: str) -> None:
        from google.api_core.exceptions import GoogleAPICallError, RetryError
        from google.auth.exceptions import GoogleAuthError
        from google.cloud import kms

        self._key = key
        # OSError: what a transport over `requests` lets through where nothing answers.
        self._errors: tuple[type[Exception], ...] = (GoogleAPICallError, RetryError, GoogleAuthError, OSError)
        try:
            self._client: Any = kms.KeyManagementServiceClient()
        except GoogleAuthError as error:
            raise _gcp(error) from None

    def wrap(self, key: bytes) -> tuple[str, bytes]:
        try:
            answer = self._client.encrypt(request={"name": self._key, "plaintext": key}, timeout=TIMEOUT)
        except self._errors as error:
            raise _gcp(error) from None
        return f"gcp:{answer.name}", answer.ciphertext

    def unwrap(self, name: str, blob: bytes) -> bytes:
        if name != f"gcp:{self._key}" and not name.startswith(f"gcp:{self._key}/cryptoKeyVersions/"):
            raise LookupError(name)
        try:
            answer = self._client.decrypt(request={"name": self._key, "ciphertext": blob}, timeout=TIMEOUT)
        except self._errors as error:
            raise _gcp(error) from None
        return bytes(answer.plaintext)


def _gcp(error: Any) -> Exception:
    code, name = getattr(error, "code", None), type(error).__name__
    if (
        isinstance(error, OSError)
        or name in ("RetryError", "TransportError")
        or code in (408, 429)
        or (isinstance(code, int) and code >= 500)
    ):
        return KmsUnreachableError("Google Cloud KMS", name)
    if name == "DefaultCredentialsError":
        return refused("Google Cloud KMS", name, "Give credentials as Google's library takes them.")
    return refused(
        "Google Cloud KMS", name, "Who administers the key decides: enable it, or allow this account to use it."
    )


class AzureKms:
    """An RSA key of Azure Key Vault, by its address without a version. Needs the permissions wrapKey and unwrapKey."""

    def __init__(self, key: str) -> None:
        from azure.core.exceptions import AzureError
        from azure.identity import DefaultAzureCredential
        from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm

        if urlsplit(key).scheme != "https":
            raise ConfigurationError("The key of Azure Key Vault must be an https:// address.", advice=f"Give {FORMS}.")
        self._key, credential = key.rstrip("/"), DefaultAzureCredential()
        self._client: Callable[[str], Any] = lambda id: CryptographyClient(id, credential)
        self._algorithm: Any = KeyWrapAlgorithm.rsa_oaep_256
        self._errors: tuple[type[Exception], ...] = (AzureError,)

    def wrap(self, key: bytes) -> tuple[str, bytes]:
        try:
            answer = self._client(self._key).wrap_key(self._algorithm, key)
        except self._errors as error:
            raise _azure(error) from None
        return f"azure:{answer.key_id}", answer.encrypted_key

    def unwrap(self, name: str, blob: bytes) -> bytes:
        if name != f"azure:{self._key}" and not name.startswith(f"azure:{self._key}/"):
            raise LookupError(name)  # also an address that somebody wrote into the database
        try:
            return bytes(self._client(name.removeprefix("azure:")).unwrap_key(self._algorithm, blob).key)
        except self._errors as error:
            raise _azure(error) from None


def _azure(error: Any) -> Exception:
    status, name = getattr(error, "status_code", None), type(error).__name__
    if name in ("ServiceRequestError", "ServiceResponseError") or (status and (status in (408, 429) or status >= 500)):
        return KmsUnreachableError("Azure Key Vault", name)
    return refused(
        "Azure Key Vault", name, "Who administers the key decides: enable it, or allow wrapKey and unwrapKey."
    )


class Transit:
    """A key of Vault's transit engine, `MOUNT/KEY`, at VAULT_ADDR with VAULT_TOKEN (or ~/.vault-token), and
    VAULT_NAMESPACE and VAULT_CACERT where they are set. Needs `update` on MOUNT/encrypt/KEY and MOUNT/decrypt/KEY."""

    def __init__(self, key: str) -> None:
        mount, _, name = key.rpartition("/")
        address = os.environ.get("VAULT_ADDR", "").rstrip("/")
        parts = urlsplit(address)
        if (
            not mount
            or not name
            or not (parts.scheme == "https" or parts.hostname in ("127.0.0.1", "localhost", "::1"))
        ):
            raise ConfigurationError(
                "Vault's transit engine needs vault:MOUNT/KEY, and its https:// address in VAULT_ADDR.",
                advice="For example TIEOUT_KMS=vault:transit/tieout.",
            )
        self._mount, self._name, self._address = mount, name, address

    def wrap(self, key: bytes) -> tuple[str, bytes]:
        sealed = str(self._ask("encrypt", {"plaintext": base64.b64encode(key).decode()}, "ciphertext"))
        version = sealed.split(":")[1] if sealed.count(":") >= 2 else "v1"
        return f"vault:{self._mount}/{self._name}:{version}", sealed.encode()

    def unwrap(self, name: str, blob: bytes) -> bytes:
        if not name.startswith(f"vault:{self._mount}/{self._name}:"):
            raise LookupError(name)
        try:
            return base64.b64decode(
                str(self._ask("decrypt", {"ciphertext": blob.decode()}, "plaintext")), validate=True
            )
        except (binascii.Error, UnicodeDecodeError):
            raise KmsUnreachableError("Vault", "an answer that is none of its own") from None

    def _ask(self, action: str, body: dict[str, str], wanted: str) -> Any:
        import httpx2

        headers = {"X-Vault-Token": _vault_token(), "X-Vault-Request": "true"}
        if namespace := os.environ.get("VAULT_NAMESPACE"):
            headers["X-Vault-Namespace"] = namespace
        url = f"{self._address}/v1/{self._mount}/{action}/{self._name}"
        try:
            with httpx2.Client(timeout=TIMEOUT, follow_redirects=False, verify=_trusted()) as client:
                answer = client.post(url, headers=headers, json=body)
                facts = answer.json() if answer.status_code == 200 else {}
                if answer.status_code == 200 and wanted in facts.get("data", {}):
                    return facts["data"][wanted]
        except (httpx2.HTTPError, ValueError, AttributeError) as error:
            raise KmsUnreachableError("Vault", type(error).__name__) from None
        if answer.status_code in (400, 403, 404):
            advice = f"Who administers Vault decides: unwrap needs `update` on {self._mount}/{action}/{self._name}."
            raise refused("Vault", f"HTTP {answer.status_code}", advice)
        raise KmsUnreachableError("Vault", f"HTTP {answer.status_code}")


def _vault_token() -> str:
    file = Path.home() / ".vault-token"
    token = os.environ.get("VAULT_TOKEN") or (file.read_text().strip() if file.exists() else "")
    if not token:
        raise refused("Vault", "no token", "Set VAULT_TOKEN, or sign in with `vault login`.")
    return token


def _trusted() -> Any:
    import ssl

    return ssl.create_default_context(cafile=os.environ.get("VAULT_CACERT") or None)
