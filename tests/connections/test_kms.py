"""Master keys that stay in a service: one that rotates, refuses and disappears; and the wire of each provider."""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
import types
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tieout.connections import Vault
from tieout.connections.data_keys import AHEAD, FRESH, LIFE, PAUSE, DataKeys
from tieout.connections.keys import Keys
from tieout.connections.kms import configured
from tieout.connections.rotation import rotate, standing
from tieout.connections.wrapping import KeyWrapper, KmsUnreachableError, refused
from tieout.errors import ConfigurationError, StoreError
from tieout.store import Store, open_store


class Service:
    """A KeyWrapper that counts, and can rotate, refuse and disappear."""

    def __init__(self) -> None:
        self.version, self.calls = 1, 0
        self.refuses = self.gone = False

    def _asked(self) -> None:
        self.calls += 1
        if self.gone:
            raise KmsUnreachableError("fake", "nobody")
        if self.refuses:
            raise refused("fake", "AccessDenied", "Ask who administers it.")

    def wrap(self, key: bytes) -> tuple[str, bytes]:
        self._asked()
        return f"fake:v{self.version}", bytes([self.version]) + key[::-1]

    def unwrap(self, name: str, blob: bytes) -> bytes:
        if not name.startswith("fake:"):
            raise LookupError(name)
        self._asked()
        assert name == f"fake:v{blob[0]}"
        return blob[:0:-1]


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(f"sqlite:///{tmp_path / 'tieout.db'}") as opened:
        yield opened


@pytest.fixture
def vault(store: Store, service: Service, tmp_path: Path) -> Vault:
    return Vault(Keys(tmp_path, wrapper=service), store)


def another_program(vault: Vault, store: Store) -> Vault:
    return Vault(vault.keys, store)


def test_a_service_is_asked_once_for_many_secrets(vault: Vault, store: Store, service: Service) -> None:
    blobs = [vault.encrypt(b"hush", "x") for _ in range(20)]
    assert [vault.decrypt(blob, "x") for blob in blobs] == [b"hush"] * 20
    assert service.calls == 1
    fresh = another_program(vault, store)
    assert [fresh.decrypt(blob, "x") for blob in blobs] == [b"hush"] * 20
    assert service.calls == 2


def test_it_rotates(vault: Vault, store: Store, service: Service) -> None:
    before = vault.encrypt(b"before", "x")
    service.version = 2
    after = vault.encrypt(b"after", "x", "another owner")
    assert {each.name: each.keys for each in standing(store, vault).wrappers} == {"fake:v1": 1, "fake:v2": 1}
    done = rotate(store, vault)
    assert (done.master, done.rewrapped) == ("fake:v2", 1)
    assert {each.name: each.keys for each in standing(store, vault).wrappers} == {"fake:v2": 2}
    fresh = another_program(vault, store)
    assert [fresh.decrypt(before, "x"), fresh.decrypt(after, "x")] == [b"before", b"after"]


def test_it_refuses(vault: Vault, store: Store, service: Service) -> None:
    sealed = vault.encrypt(b"hush", "x")
    service.refuses = True
    for ask in (lambda: another_program(vault, store).decrypt(sealed, "x"), lambda: vault.encrypt(b"x", "x", "new")):
        with pytest.raises(ConfigurationError, match=r"refused \(fake: AccessDenied\)\. Ask who administers it\."):
            ask()
    assert vault.decrypt(sealed, "x") == b"hush", "what was unwrapped before goes on for its life"


def test_it_disappears(vault: Vault, store: Store, service: Service) -> None:
    sealed = vault.encrypt(b"hush", "x")
    service.gone = True
    assert issubclass(KmsUnreachableError, StoreError)
    for ask in (lambda: another_program(vault, store).decrypt(sealed, "x"), lambda: vault.encrypt(b"x", "x", "new")):
        with pytest.raises(KmsUnreachableError, match=r"did not answer \(fake: nobody\)\. Nothing was lost"):
            ask()
    assert vault.decrypt(sealed, "x") == b"hush"
    with pytest.raises(KmsUnreachableError):
        rotate(store, vault)
    service.gone = False
    assert rotate(store, vault).unreadable == []


def test_a_key_lives_for_an_hour_and_bears_an_absence_of_half_of_it(
    vault: Vault, store: Store, service: Service
) -> None:
    clock = Clock()
    sealed = vault.encrypt(b"hush", "x")
    keys = DataKeys(store, vault.keys, clock=clock)
    id, value = keys.current("default")
    calls = service.calls
    clock.now += FRESH - 1
    assert keys.get(id) == value
    assert service.calls == calls
    service.gone = True
    clock.now += 2
    assert keys.get(id) == keys.get(id) == value
    assert service.calls == calls + 1, "one that does not answer is not asked each time"
    clock.now += PAUSE
    assert keys.get(id) == value
    assert service.calls == calls + 2
    clock.now += LIFE - FRESH
    with pytest.raises(KmsUnreachableError):
        keys.get(id)
    service.gone = False
    assert keys.get(id) == value
    assert vault.decrypt(sealed, "x") == b"hush"


def test_what_must_not_fail_later_fails_before_it_begins(vault: Vault, store: Store, service: Service) -> None:
    """A refresh whose answer could not be sealed would lose the grant."""
    clock = Clock()
    keys = DataKeys(store, vault.keys, clock=clock)
    keys.current("default")
    service.gone = True
    clock.now += LIFE - AHEAD - 1
    keys.current("default", lasting=AHEAD)
    clock.now += PAUSE + 1
    keys.current("default")
    with pytest.raises(KmsUnreachableError):
        keys.current("default", lasting=AHEAD)


def test_a_refusal_ends_a_key_when_it_is_asked_again(vault: Vault, store: Store, service: Service) -> None:
    clock = Clock()
    keys = DataKeys(store, vault.keys, clock=clock)
    id, _ = keys.current("default")
    service.refuses = True
    clock.now += FRESH + 1
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="refused"):
            keys.get(id)


def test_from_a_key_of_ones_own_to_a_service(
    store: Store, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIEOUT_KEY", "ab" * 32)
    sealed = Vault(Keys(tmp_path), store).encrypt(b"hush", "x")
    assert rotate(store, Vault(Keys(tmp_path, wrapper=service), store)).rewrapped == 1
    monkeypatch.delenv("TIEOUT_KEY")
    assert Vault(Keys(tmp_path, wrapper=service), store).decrypt(sealed, "x") == b"hush"


# Providers. `Shelf` keeps what each was asked; their libraries are stood in for by modules of the same shape.


def named(text: str, monkeypatch: pytest.MonkeyPatch) -> KeyWrapper:
    monkeypatch.setenv("TIEOUT_KMS", text)
    (found,) = configured("TIEOUT_KMS")
    return found


@pytest.mark.parametrize("text", ["aws:", "hush", "hsm:key", ":"])
def test_what_names_no_service_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    with pytest.raises(ConfigurationError, match=r"TIEOUT_KMS names no key of a service.*vault:transit/KEY"):
        named(text, monkeypatch)


@pytest.mark.parametrize(
    ("text", "module"),
    [("aws:k", "boto3"), ("gcp:k", "google.api_core.exceptions"), ("azure:https://k", "azure.core.exceptions")],
)
def test_a_provider_without_its_package_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, text: str, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigurationError, match=rf"pip install 'tieout\[kms-{text.partition(':')[0]}\]'"):
        named(text, monkeypatch)


def stand_in(monkeypatch: pytest.MonkeyPatch, **modules: dict[str, Any]) -> None:
    """`a__b={...}` is a module `a.b` with these members, and every package above it."""
    for path, members in modules.items():
        parts = path.split("__")
        for end in range(1, len(parts) + 1):
            name = ".".join(parts[:end])
            if end == len(parts) or name not in sys.modules:
                module = types.ModuleType(name)
                vars(module).update(members if end == len(parts) else {"__path__": []})
                monkeypatch.setitem(sys.modules, name, module)


class AwsError(Exception):
    def __init__(self, code: str) -> None:
        super().__init__("text that is not repeated")
        self.response = {"Error": {"Code": code}}


class EndpointConnectionError(Exception):
    """As botocore names it."""


ARN = "arn:aws:kms:eu-west-1:111122223333:key/1234"


def test_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    fails: list[Exception] = []

    class Client:
        def encrypt(self, *, KeyId: str, Plaintext: bytes) -> dict[str, Any]:
            asked.append(KeyId)
            if fails:
                raise fails[0]
            return {"KeyId": ARN, "CiphertextBlob": Plaintext[::-1]}

        def decrypt(self, *, KeyId: str, CiphertextBlob: bytes) -> dict[str, Any]:
            asked.append(KeyId)
            if fails:
                raise fails[0]
            return {"Plaintext": CiphertextBlob[::-1]}

    def client(service: str, *, region_name: str | None, config: Any) -> Client:
        asked.append((service, region_name))
        return Client()

    stand_in(
        monkeypatch,
        boto3={"client": client},
        botocore__config={"Config": dict},
        botocore__exceptions={"BotoCoreError": EndpointConnectionError, "ClientError": AwsError},
    )
    wrapper = named(f"aws:{ARN}", monkeypatch)
    assert wrapper.wrap(b"key") == (f"aws:{ARN}", b"yek")
    assert wrapper.unwrap(f"aws:{ARN}", b"yek") == b"key"
    assert asked == [("kms", "eu-west-1"), ARN, ARN]
    assert named("aws:alias/tieout", monkeypatch).unwrap(f"aws:{ARN}", b"yek") == b"key"
    assert named("aws:1234", monkeypatch).unwrap(f"aws:{ARN}", b"yek") == b"key"
    for other in ("aws:arn:aws:kms:eu-west-1:1:key/other", "key:1234"):
        with pytest.raises(LookupError):
            wrapper.unwrap(other, b"")
    says_no_and_is_silent(
        wrapper, fails, AwsError("AccessDeniedException"), AwsError("ThrottlingException"), EndpointConnectionError()
    )


def says_no_and_is_silent(wrapper: KeyWrapper, fails: list[Exception], no: Exception, *silences: Exception) -> None:
    """A refusal is told from an absence, and neither repeats what the provider wrote."""
    name, blob = wrapper.wrap(b"key")
    calls: list[Callable[[], object]] = [lambda: wrapper.wrap(b"key"), lambda: wrapper.unwrap(name, blob)]
    for call in calls:
        fails[:] = [no]
        with pytest.raises(ConfigurationError, match=r"refused .*Who administers the key") as caught:
            call()
        assert "text that is not repeated" not in str(caught.value)
        for silence in silences:
            fails[:] = [silence]
            with pytest.raises(KmsUnreachableError, match="did not answer"):
                call()


GCP = "projects/p/locations/l/keyRings/r/cryptoKeys/k"


def test_gcp(monkeypatch: pytest.MonkeyPatch) -> None:
    fails: list[Exception] = []

    class Client:
        def encrypt(self, *, request: dict[str, Any], timeout: float) -> Any:
            if fails:
                raise fails[0]
            answer = {"name": f"{request['name']}/cryptoKeyVersions/3", "ciphertext": request["plaintext"][::-1]}
            return types.SimpleNamespace(**answer)

        def decrypt(self, *, request: dict[str, Any], timeout: float) -> Any:
            if fails:
                raise fails[0]
            assert request["name"] == GCP, "Google finds the version by itself, and takes none"
            return types.SimpleNamespace(plaintext=request["ciphertext"][::-1])

    class GoogleAPICallError(Exception):
        def __init__(self, code: int) -> None:
            super().__init__("text that is not repeated")
            self.code = code

    class RetryError(Exception):
        pass

    class LetThrough(OSError):
        """As `requests` makes its errors, which Google's transport over it passes on."""

    stand_in(
        monkeypatch,
        google__api_core__exceptions={"GoogleAPICallError": GoogleAPICallError, "RetryError": RetryError},
        google__auth__exceptions={"GoogleAuthError": type("GoogleAuthError", (Exception,), {})},
        google__cloud={"kms": types.SimpleNamespace(KeyManagementServiceClient=Client)},
    )
    wrapper = named(f"gcp:{GCP}", monkeypatch)
    assert wrapper.wrap(b"key") == (f"gcp:{GCP}/cryptoKeyVersions/3", b"yek")
    assert wrapper.unwrap(f"gcp:{GCP}/cryptoKeyVersions/3", b"yek") == b"key"
    with pytest.raises(LookupError):
        wrapper.unwrap(f"gcp:{GCP}2/cryptoKeyVersions/3", b"")
    says_no_and_is_silent(wrapper, fails, GoogleAPICallError(403), GoogleAPICallError(503), RetryError(), LetThrough())


AZURE = "https://books.vault.azure.net/keys/tieout"


def test_azure(monkeypatch: pytest.MonkeyPatch) -> None:
    fails: list[Exception] = []
    opened: list[str] = []

    class Client:
        def __init__(self, key: str, credential: object) -> None:
            opened.append(key)

        def wrap_key(self, algorithm: str, key: bytes) -> Any:
            if fails:
                raise fails[0]
            assert algorithm == "RSA-OAEP-256"
            return types.SimpleNamespace(key_id=f"{AZURE}/7", encrypted_key=key[::-1])

        def unwrap_key(self, algorithm: str, blob: bytes) -> Any:
            if fails:
                raise fails[0]
            return types.SimpleNamespace(key=blob[::-1])

    class AzureError(Exception):
        def __init__(self, status: int | None) -> None:
            super().__init__("text that is not repeated")
            self.status_code = status

    class ServiceRequestError(AzureError):
        pass

    stand_in(
        monkeypatch,
        azure__core__exceptions={"AzureError": AzureError},
        azure__identity={"DefaultAzureCredential": object},
        azure__keyvault__keys__crypto={
            "CryptographyClient": Client,
            "KeyWrapAlgorithm": types.SimpleNamespace(rsa_oaep_256="RSA-OAEP-256"),
        },
    )
    wrapper = named(f"azure:{AZURE}", monkeypatch)
    assert wrapper.wrap(b"key") == (f"azure:{AZURE}/7", b"yek")
    assert wrapper.unwrap(f"azure:{AZURE}/7", b"yek") == b"key"
    assert opened == [AZURE, f"{AZURE}/7"]
    with pytest.raises(LookupError):
        wrapper.unwrap("azure:https://thief.example/keys/tieout/7", b"")
    assert len(opened) == 2, "an address out of the database is never asked"
    with pytest.raises(ConfigurationError, match="https://"):
        named("azure:http://books.vault.azure.net/keys/tieout", monkeypatch)
    says_no_and_is_silent(wrapper, fails, AzureError(403), AzureError(503), ServiceRequestError(None))


# Vault's transit engine, over HTTP.


@contextmanager
def transit(answers: list[tuple[int, Any]]) -> Iterator[list[tuple[str, dict[str, str], Any]]]:
    """A local stand-in that encrypts by turning round; `answers` come first."""
    asked: list[tuple[str, dict[str, str], Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append((self.path, dict(self.headers), body))
            if answers:
                status, facts = answers.pop(0)
            elif "/encrypt/" in self.path:
                status, facts = 200, {"data": {"ciphertext": "vault:v4:" + body["plaintext"][::-1], "key_version": 4}}
            else:
                status, facts = 200, {"data": {"plaintext": body["ciphertext"].split(":")[2][::-1]}}
            text = facts if isinstance(facts, bytes) else json.dumps(facts).encode()
            self.send_response(status)
            if status == 307:
                self.send_header("Location", "/elsewhere")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    os.environ["VAULT_ADDR"] = f"http://127.0.0.1:{server.server_port}/"
    try:
        yield asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(autouse=True)
def vault_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("VAULT_NAMESPACE", "VAULT_CACERT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("VAULT_ADDR", "")
    monkeypatch.setenv("VAULT_TOKEN", "hvs.planted")
    monkeypatch.setenv("HOME", str(tmp_path))


def test_transit_wraps_and_unwraps(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_NAMESPACE", "team")
    with transit([]) as asked:
        monkeypatch.setenv("TIEOUT_KMS", "vault:secure/transit/tieout")
        sealed = Vault(Keys(tmp_path), store).encrypt(b"hush", "x")
        assert Vault(Keys(tmp_path), store).decrypt(sealed, "x") == b"hush"
        assert [path for path, _, _ in asked] == [
            "/v1/secure/transit/encrypt/tieout",
            "/v1/secure/transit/decrypt/tieout",
        ]
        headers = {name.lower(): value for name, value in asked[0][1].items()}
        assert (headers["x-vault-token"], headers["x-vault-namespace"]) == ("hvs.planted", "team")
        assert len(base64.b64decode(asked[0][2]["plaintext"])) == 48
        found = standing(store, Vault(Keys(tmp_path), store))
    assert (found.master, found.source) == ("vault:secure/transit/tieout:v4", "TIEOUT_KMS")
    assert list(tmp_path.glob("*.key")) == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((403, {"errors": ["permission denied"]}), ConfigurationError),
        ((404, {"errors": []}), ConfigurationError),
        ((400, {"errors": ["cipher: message authentication failed"]}), ConfigurationError),
        ((503, {"errors": ["Vault is sealed"]}), KmsUnreachableError),
        ((500, b"<html>"), KmsUnreachableError),
        ((200, b"<html>"), KmsUnreachableError),
        ((200, {"data": {}}), KmsUnreachableError),
        ((200, []), KmsUnreachableError),
        ((200, {"data": {"plaintext": "no base64"}}), KmsUnreachableError),
        ((307, {}), KmsUnreachableError),
    ],
)
def test_transit_may_answer_anything(
    monkeypatch: pytest.MonkeyPatch, answer: tuple[int, Any], kind: type[Exception]
) -> None:
    with transit([answer]) as asked:
        wrapper = named("vault:transit/tieout", monkeypatch)
        with pytest.raises(kind) as caught:
            wrapper.unwrap("vault:transit/tieout:v1", b"vault:v1:x")
        assert len(asked) == 1
    assert "hvs.planted" not in f"{caught.value!r} {wrapper!r}"


def test_transit_that_is_not_there_or_not_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    wrapper = named("vault:transit/tieout", monkeypatch)
    with pytest.raises(KmsUnreachableError, match=r"did not answer \(Vault: ConnectError\)"):
        wrapper.wrap(b"key")
    with pytest.raises(LookupError):
        wrapper.unwrap("vault:transit/other:v1", b"")
    monkeypatch.delenv("VAULT_TOKEN")
    with pytest.raises(ConfigurationError, match=r"no token.*Set VAULT_TOKEN"):
        wrapper.wrap(b"key")
    monkeypatch.setenv("VAULT_ADDR", "http://vault.example.com")
    with pytest.raises(ConfigurationError, match="https:// address in VAULT_ADDR"):
        named("vault:transit/tieout", monkeypatch)
