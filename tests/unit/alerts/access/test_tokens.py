from alerts.access.tokens import csrf_of, hash_of, is_same, new_token


def test_tokens_are_not_guessed_and_their_traces_do_not_tell_them() -> None:
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    token = tokens.pop()
    assert len(token) == 43
    assert len(hash_of(token)) == 32
    assert token not in csrf_of(token)
    assert csrf_of(token) != csrf_of(new_token())


def test_comparing() -> None:
    assert is_same("a", "a")
    assert not is_same("b", "a")
    assert not is_same(None, "a")
    assert not is_same("ä", "a")
