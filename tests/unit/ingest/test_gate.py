from ingest import gate as gate_module
from ingest.gate import Gate


class Database:
    """Answers like the one statement the gate sends, and remembers what it was asked."""

    def __init__(self, **purposes):
        self.purposes = purposes
        self.asked = []

    def execute(self, statement, values):
        self.asked.append(sorted(values["vins"]))
        self.found = [(vin, n, self.purposes[vin]) for n, vin in enumerate(values["vins"]) if vin in self.purposes]
        return self

    def fetchall(self):
        return self.found


def test_a_car_is_looked_up_once_while_it_is_remembered():
    now = [0.0]
    gate, database = Gate(remember_s=5, clock=lambda: now[0]), Database(A=["care"])
    assert gate.standings(database, ["A", "B"])["A"].purposes == {"care"}
    assert gate.standings(database, ["A", "B"])["B"] is None
    now[0] = 5.0
    gate.standings(database, ["A"])
    gate.forget("B")
    gate.standings(database, ["A", "B"])
    assert database.asked == [["A", "B"], ["A"], ["B"]]


def test_a_flood_of_cars_forgets_without_losing_whom_it_was_asked_for(monkeypatch):
    monkeypatch.setattr(gate_module, "_MOST_REMEMBERED", 2)
    gate, database = Gate(remember_s=5, clock=lambda: 0.0), Database(A=["care"])
    gate.standings(database, ["A", "B", "C"])
    found = gate.standings(database, ["A", "B", "D"])
    assert found["A"].purposes == {"care"}
    assert (found["B"], found["D"]) == (None, None)
