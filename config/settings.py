"""Settings from the environment (``FOREWARN_…``) and from ``forewarn.toml``; every problem is reported at once."""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from config.errors import UserMistake

# Never shown, not even when they are wrong.
_SECRET = frozenset(
    {"database.dsn", "mqtt.password", "models.tracking_uri", "charging.gateway_token", "charging.smtp_password"}
)

Port = Annotated[int, Field(ge=1, le=65535)]


class SettingsInvalid(UserMistake):
    """Some settings are wrong; the message names each and what to do."""


class _Group(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabaseSettings(_Group):
    dsn: str | None = Field(None, description="PostgreSQL connection string; unset uses the embedded server.")
    connect_timeout_s: int = Field(10, ge=1, le=300, description="Seconds to wait for a connection.")

    @field_validator("dsn")
    @classmethod
    def _readable(cls, dsn: str | None) -> str | None:
        if dsn is not None:
            # Imported here: most commands of the embedded set-up start without it.
            import psycopg

            try:
                psycopg.conninfo.conninfo_to_dict(dsn)
            except psycopg.Error as error:
                # Its own words may quote the password.
                raise ValueError(
                    "it is no connection string: write postgresql://user:password@host/database"
                ) from error
        return dsn


class MqttSettings(_Group):
    host: str | None = Field(None, description="Broker host; unset uses the embedded broker.")
    port: Port = Field(1883, description="Broker port.")
    username: str | None = Field(None, description="User name at the broker.")
    password: str | None = Field(None, description="Password at the broker.")
    protocol: Literal["auto", "5", "3.1.1"] = Field(
        "auto", description="MQTT version; auto takes 5 where the broker speaks it."
    )
    receive_maximum: int = Field(
        10_000, ge=1, le=65_535, description="Messages an MQTT 5 broker may send before the first is acknowledged."
    )
    ca_file: Path | None = Field(None, description="Certificate authority of the broker; given, the link is TLS.")
    cert_file: Path | None = Field(None, description="Certificate that Forewarn shows to the broker.")
    key_file: Path | None = Field(None, description="Private key of that certificate.")
    client_id: str = Field(
        "forewarn-ingest",
        min_length=1,
        max_length=60,
        description="First part of every consumer's client id; it must stay the same, the session hangs on it.",
    )


class IngestSettings(_Group):
    workers: int = Field(1, ge=1, le=64, description="Consumer processes that share the bulk subscription.")
    batch_rows: int = Field(5000, ge=1, le=100_000, description="Samples that are written in one transaction.")
    batch_age_ms: int = Field(200, ge=1, le=60_000, description="Longest wait of a sample for its batch, in ms.")
    queue_messages: int = Field(
        20_000, ge=1, le=1_000_000, description="Messages a worker holds before it stops reading from the broker."
    )
    queue_mib: int = Field(64, ge=1, le=4096, description="MiB of payload a worker holds before it stops reading.")
    consent_cache_s: float = Field(5.0, ge=0, le=60, description="Longest time a consent decision is remembered, in s.")
    clock_ahead_s: int = Field(300, ge=0, description="A sample this far in the future is flagged, in s.")
    dead_letter_days: int = Field(30, ge=1, le=3650, description="Days after which a dead letter is deleted.")
    metrics_port: Port | None = Field(
        None,
        description="Prometheus port of worker 0; the next ones are the other workers', the last the charging lane's.",
    )
    metrics_host: str = Field("127.0.0.1", description="Address the Prometheus ports listen on.")


class StoreSettings(_Group):
    timescaledb: Literal["auto", "required", "off"] = Field(
        "auto",
        description="TimescaleDB: auto uses it where the server has it, required refuses a server without, off"
        " leaves a database on PostgreSQL alone as it is.",
    )
    chunk_days: int = Field(
        7, ge=1, le=30, description="Days of readings in one chunk of TimescaleDB; fewer where a day is large."
    )
    columnstore_after_days: int = Field(
        7, ge=1, le=3650, description="Days after which readings go to the columnstore."
    )
    rollup_columnstore_after_days: int = Field(
        30, ge=8, le=3650, description="Days after which rollups go to the columnstore."
    )
    reading_days: int = Field(400, ge=8, le=36500, description="Days that readings of cars are kept.")
    cell_days: int = Field(180, ge=8, le=36500, description="Days that voltages and temperatures of cells are kept.")
    charging_days: int = Field(400, ge=8, le=36500, description="Days that readings of charging stations are kept.")
    safety_days: int = Field(
        30, ge=1, le=30, description="Days that charging signals of cars with consent to safety alone are kept."
    )
    minute_days: int = Field(90, ge=8, le=36500, description="Days that rollups by minute are kept.")
    hour_days: int = Field(
        1100, ge=8, le=36500, validate_default=True, description="Days that rollups by hour are kept."
    )
    day_days: int = Field(3660, ge=8, le=36500, validate_default=True, description="Days that rollups by day are kept.")

    @field_validator("hour_days", "day_days")
    @classmethod
    def _outlives_its_parts(cls, days: int, info: ValidationInfo) -> int:
        # A day that changes late is made anew of its hours, and those of its readings.
        parts = "reading_days" if info.field_name == "hour_days" else "hour_days"
        if days < info.data.get(parts, 0):
            raise ValueError(f"it should be at least store.{parts}, {info.data[parts]}: it is made of what that keeps")
        return days


class WebSettings(_Group):
    host: str = Field("127.0.0.1", description="Address the work list listens on.")
    port: Port = Field(8080, description="Port the work list listens on.")
    names: str | None = Field(
        None, description="Host names that browsers reach the work list by, comma-separated; needed past this machine."
    )
    cert_file: Path | None = Field(None, description="Certificate of the work list; given, it speaks TLS.")
    key_file: Path | None = Field(None, validate_default=True, description="Private key of that certificate.")
    proxy: str | None = Field(
        None, description="Addresses of the proxy that speaks TLS for the work list, comma-separated."
    )
    session_idle_min: int = Field(
        60, ge=1, le=1440, description="Minutes without a request after which a session is over."
    )
    session_max_h: int = Field(12, ge=1, le=168, description="Hours after which a session is over in any case.")

    @field_validator("key_file")
    @classmethod
    def _belongs_to_certificate(cls, key_file: Path | None, info: ValidationInfo) -> Path | None:
        if (key_file is None) != (info.data.get("cert_file") is None):
            raise ValueError("web.cert_file and web.key_file go together: set both or none")
        return key_file

    @property
    def is_secure(self) -> bool:
        """Tell whether browsers reach the work list by TLS, Forewarn's own or a proxy's."""
        return self.cert_file is not None or bool(listed(self.proxy))

    @property
    def address(self) -> str:
        """Return the address of the work list, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        if listed(self.proxy) and self.names:
            return f"https://{listed(self.names)[0]}/"
        if self.cert_file is not None:
            return f"https://{listed(self.names)[0] if self.names else host}:{self.port}/"
        return f"http://{host}:{self.port}/"


def listed(text: str | None) -> list[str]:
    """Return the parts of a comma-separated setting."""
    return [part.strip() for part in (text or "").split(",") if part.strip()]


class PartnerSettings(_Group):
    host: str = Field("127.0.0.1", description="Address the server for charging partners listens on.")
    port: Port = Field(8090, description="Port the server for charging partners listens on.")
    cert_file: Path | None = Field(
        None, description="Certificate of that server, with its chain; given, it speaks TLS."
    )
    key_file: Path | None = Field(None, description="Private key of that certificate.")
    behind_proxy: bool = Field(
        False, description="A proxy in front of that server does TLS; without either it listens on this machine alone."
    )
    public_url: str | None = Field(
        None, description="Address by which partners reach that server; unset takes host and port."
    )
    master_key: Path | None = Field(
        None, description="File with the key that partners' keys are sealed with; unset is partners.key in data_dir."
    )
    operator_id: str = Field(
        "FOREWARN1", min_length=1, max_length=60, description="Our OperatorID of T/CEC 102, when we ask an operator."
    )
    country_code: str = Field("CN", pattern="^[A-Z]{2}$", description="Our country code of OCPI.")
    party_id: str = Field("FWN", pattern="^[A-Z0-9]{3}$", description="Our party id of OCPI.")
    clock_tolerance_s: int = Field(
        300, ge=30, le=900, description="So far a partner's clock may be off ours, either way, in s."
    )
    rate_per_s: float = Field(
        50, gt=0, le=10_000, description="Messages a second of one partner; a danger that is new passes all the same."
    )
    burst: int = Field(500, ge=1, le=100_000, description="Messages that a partner may send at once.")
    body_kib: int = Field(256, ge=16, le=10_240, description="Largest message of a partner, in KiB.")
    refresh_s: float = Field(2.0, ge=0.1, le=60, description="Seconds until a new, rotated or revoked key is known.")

    def address(self) -> str:
        """Return where partners reach the server."""
        if self.public_url is not None:
            return self.public_url.rstrip("/")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.cert_file is not None else 'http'}://{host}:{self.port}"


class ScheduleSettings(_Group):
    score_every_min: int = Field(60, ge=1, description="Minutes between scorings.")
    judge_every_min: int = Field(5, ge=1, description="Minutes between judgements of readings by those before them.")
    refresh_every_min: int = Field(15, ge=1, description="Minutes between refreshes of the rollups.")
    expire_every_h: int = Field(24, ge=1, description="Hours between deletions of what is older than it may be.")
    train_every_h: int = Field(168, ge=1, description="Hours between trainings, whose models are challengers.")
    drift_every_h: int = Field(24, ge=1, description="Hours between measurements of drift.")
    report_day: int = Field(1, ge=1, le=28, description="Day on which the report about the month before is written.")
    care_every_min: int = Field(
        1, ge=1, le=60, description="Minutes between looks at help buttons, messages to owners and missed visits."
    )
    run_days: int = Field(
        90, ge=31, le=36500, description="Days that records of judging, refreshing, expiring and triage are kept."
    )


class ModelSettings(_Group):
    holdout_share: float = Field(
        0.0,
        ge=0,
        le=0.5,
        description="Share of flagged cars that nobody is called for, to measure lead time by; never of fault modes"
        " that endanger people.",
    )
    tracking_uri: str | None = Field(
        None, description="MLflow's store, as sqlite:///… or postgresql+psycopg://…; unset is a file under data_dir."
    )


class CrmSettings(_Group):
    url: str | None = Field(
        None, pattern=r"^https?://", description="Where a CRM or dialler takes what happens to cases, signed."
    )
    secret: str | None = Field(
        None, pattern=r"^whsec_[A-Za-z0-9+/=]{32,}$", description="Secret of those messages, whsec_ and Base64."
    )


class ChargingSettings(_Group):
    fleet_policy: Literal["stop", "ask"] = Field(
        "stop", description="Whether a car in danger is told to stop charging at once, or a person is asked first."
    )
    pile_policy: Literal["stop", "ask"] = Field(
        "stop", description="The same of piles, where their operator's contract says nothing else."
    )
    stop_within_s: int = Field(600, ge=1, description="A danger older than that when it arrives stops nothing, in s.")
    stop_valid_s: int = Field(120, ge=30, description="Seconds that a request to stop is good for.")
    confirm_within_s: float = Field(
        10.0, ge=0.5, le=120, description="Seconds after which an unconfirmed stop is asked again, then phoned."
    )
    receipt_within_s: int = Field(60, ge=1, description="Seconds an owner has to confirm before the desk phones.")
    remind_every_s: int = Field(60, ge=5, description="Seconds between messages to an owner who does not confirm.")
    acknowledge_within_s: int = Field(
        60, ge=5, description="Seconds the desk has to take a case before its supervisor is told."
    )
    specialist_within_min: int = Field(45, ge=1, description="Minutes within which a specialist is to be there.")
    gateway_url: str | None = Field(
        None, pattern=r"^https?://", description="Gateway for text messages and the app: gets a POST a message."
    )
    gateway_token: str | None = Field(None, description="Bearer token of that gateway.")
    smtp_host: str | None = Field(None, description="Mail server for messages to owners.")
    smtp_port: Port = Field(587, description="Its port.")
    smtp_from: str | None = Field(None, description="Sender of those messages.")
    smtp_username: str | None = Field(None, description="User name at the mail server; given, the link is TLS.")
    smtp_password: str | None = Field(None, description="Password at the mail server.")
    message_file: Path | None = Field(
        None, description="File to which messages to owners are appended, for trying things out."
    )
    supervisor: str | None = Field(
        None, description="Phone number, through the gateway, of who is told when nobody at the desk takes a case."
    )
    public_url: str | None = Field(
        None, pattern=r"^https?://", description="Address under which owners reach this server, for their receipts."
    )


class EmbeddedSettings(_Group):
    run_as: str | None = Field(None, description="User of the embedded PostgreSQL when Forewarn runs as root.")


class Settings(BaseSettings):
    """Everything that can be set. Nested names are joined by two underscores in the environment."""

    model_config = SettingsConfigDict(
        env_prefix="FOREWARN_",
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    data_dir: Path = Field(Path("var"), description="Folder for the embedded servers and the trained models.")
    benchmark_data: Path = Field(Path("data"), description="Folder of public recordings that models are measured by.")
    language: Literal["zh_CN", "en"] = Field("en", description="Language of lists and pages: zh_CN or en.")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "WARNING", description="Least level that is logged."
    )
    database: DatabaseSettings = DatabaseSettings()
    mqtt: MqttSettings = MqttSettings()
    ingest: IngestSettings = IngestSettings()
    store: StoreSettings = StoreSettings()
    web: WebSettings = WebSettings()
    partners: PartnerSettings = PartnerSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    models: ModelSettings = ModelSettings()
    charging: ChargingSettings = ChargingSettings()
    crm: CrmSettings = CrmSettings()
    embedded: EmbeddedSettings = EmbeddedSettings()

    @property
    def owners_address(self) -> str:
        """Return the address that owners' links begin with."""
        return self.charging.public_url or self.web.address

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(config_file: Path | None = None) -> Settings:
    """Read the settings of this process.

    config_file : a TOML file; None takes the one named by FOREWARN_CONFIG, else ./forewarn.toml if there is one
    Raises      : SettingsInvalid, with every problem in one message
    """
    named = config_file or (Path(os.environ["FOREWARN_CONFIG"]) if "FOREWARN_CONFIG" in os.environ else None)
    if named is not None and not named.is_file():
        raise SettingsInvalid(f"there is no settings file {named}; create it or correct FOREWARN_CONFIG")
    file = named or Path("forewarn.toml")
    problems = _unknown_variables()

    class _Settings(Settings):
        model_config = SettingsConfigDict(toml_file=file)

    try:
        settings = _Settings()
    except UnicodeDecodeError as error:
        raise SettingsInvalid(f"{file} is not UTF-8 text: save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsInvalid(f"{file} is not valid TOML: {error}; correct it") from error
    except ValidationError as error:
        problems += [_problem(detail) for detail in error.errors()]
        raise SettingsInvalid("; ".join(problems)) from error
    if problems:
        raise SettingsInvalid("; ".join(problems))
    return Settings.model_construct(**{name: getattr(settings, name) for name in Settings.model_fields})


def describe() -> list[tuple[str, str, str, str]]:
    """Return (setting, environment variable, default, description) of every setting, for the docs and their test."""
    rows = []
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, _Group):
            for inner, inner_field in type(field.default).model_fields.items():
                variable = f"FOREWARN_{name}__{inner}".upper()
                rows.append((f"{name}.{inner}", variable, _shown(inner_field.default), inner_field.description or ""))
        else:
            rows.append((name, f"FOREWARN_{name}".upper(), _shown(field.default), field.description or ""))
    return rows


def _shown(default: object) -> str:
    return "" if default is None else str(default)


def _problem(detail: Any) -> str:
    name = ".".join(str(part) for part in detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{name}: there is no such setting; remove it or see docs/settings.md"
    message = detail["msg"].removeprefix("Value error, ")
    shown = "" if name in _SECRET else f" (it is {detail['input']!r})"
    return f"{name}: {message[0].lower()}{message[1:]}{shown}; see docs/settings.md"


def _unknown_variables() -> list[str]:
    # A mistyped variable would be ignored in silence otherwise. Variables for tests and tools are not settings.
    known = {variable for _, variable, _, _ in describe()} | {"FOREWARN_CONFIG"}
    ours = (name for name in os.environ if name.startswith("FOREWARN_") and not name.startswith("FOREWARN_TEST_"))
    return [f"{name}: there is no such setting; unset it or see docs/settings.md" for name in sorted(set(ours) - known)]
