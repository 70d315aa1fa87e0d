"""Only what the settings leave open runs embedded."""

import psycopg
import pytest

from config.errors import UserMistake
from config.settings import DatabaseSettings, IngestSettings, MqttSettings, Settings
from forewarn.embedded import services
from forewarn.embedded.broker import WINDOW_MESSAGES, running_broker
from forewarn.embedded.ports import answers
from forewarn.embedded.postgres import running_cluster


def test_what_is_missing_is_filled_in_and_ends_again(open_folder):
    settings = Settings(data_dir=open_folder)
    with services(settings, broker=True) as complete:
        psycopg.connect(complete.database.dsn).close()
        assert answers(complete.mqtt.port)
        assert complete.ingest.batch_rows == WINDOW_MESSAGES
        assert running_cluster(open_folder / "postgres", run_as=None).dsn == complete.database.dsn
        assert running_broker(open_folder / "broker").port == complete.mqtt.port
    assert running_cluster(open_folder / "postgres", run_as=None) is None
    assert running_broker(open_folder / "broker") is None
    assert settings.database.dsn is None


def test_what_is_set_is_left_alone(open_folder):
    settings = Settings(
        data_dir=open_folder / "var", database=DatabaseSettings(dsn="postgresql://db"), mqtt=MqttSettings(host="broker")
    )
    with services(settings, broker=True) as complete:
        assert complete == settings
    assert not settings.data_dir.exists()


def test_several_workers_need_a_broker_of_their_own(open_folder):
    settings = Settings(
        data_dir=open_folder, database=DatabaseSettings(dsn="postgresql://db"), ingest=IngestSettings(workers=2)
    )
    with pytest.raises(UserMistake, match="FOREWARN_MQTT__HOST"), services(settings, broker=True):
        pass
