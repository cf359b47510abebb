import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from charachbench import sealed, untrusted
from charachbench.errors import UserError

VALUES = st.dictionaries(
    st.text(), st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists), max_size=4
)


def read(path, content):
    path.write_bytes(content)
    return untrusted.read_array(path)


def read_json(content):
    return untrusted.parse_json(content, "here")


@settings(max_examples=40)
@given(VALUES)
def test_json_comes_back_and_is_plain_json(value):
    value.pop("sha256", None)
    content = sealed.json_bytes(value)
    assert read_json(content) == value
    plain = json.loads(content)
    assert len(plain.pop("sha256")) == 64
    assert plain == value


@settings(max_examples=40)
@given(VALUES.filter(bool), st.data())
def test_no_flipped_bit_in_json_changes_the_value(value, data):
    value.pop("sha256", None)
    content = bytearray(sealed.json_bytes(value))
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        found = read_json(bytes(content))
    except UserError:
        return
    assert {key: found[key] for key in value} == value  # the seal itself was hit


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b'{"a": 1}x', b"[" * 100_000])
def test_no_json(content):
    with pytest.raises(UserError):
        read_json(content)


def test_json_without_a_seal_is_taken_as_it_is():
    assert read_json(b'{"a": [1]}') == {"a": [1]}
    assert read_json(b"{\n}") == {}
    assert read_json(sealed.json_bytes({})) == {}


@settings(max_examples=50)
@given(arrays(st.sampled_from([np.uint8, np.float32, np.float64, bool]), array_shapes(min_dims=0, min_side=0)))
def test_arrays_come_back_and_are_plain_files(array):
    content = sealed.array_bytes(array)
    np.testing.assert_array_equal(np.load(io.BytesIO(content), allow_pickle=False), array)


@pytest.mark.parametrize(
    "array", [np.arange(6.0).reshape(2, 3), np.asfortranarray(np.eye(3)[:2]), np.array(5), np.empty((0, 4))]
)
def test_arrays_of_every_shape(array, tmp_path):
    found = read(tmp_path / "a.npy", sealed.array_bytes(array))
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    plain = io.BytesIO()
    np.save(plain, array)
    np.testing.assert_array_equal(read(tmp_path / "a.npy", plain.getvalue()), array)


def test_every_flipped_byte_of_an_array_is_seen(tmp_path):
    array = np.arange(6.0)
    content = sealed.array_bytes(array)
    for index in range(len(content)):
        hit = bytearray(content)
        hit[index] ^= 0x10
        with pytest.raises(UserError):
            read(tmp_path / "a.npy", hit)
    for length in range(len(content)):
        if length != len(content) - 32:  # what is left then is a whole file without a seal
            with pytest.raises(UserError):
                read(tmp_path / "a.npy", content[:length])


def test_a_header_cannot_ask_for_more_than_there_is(tmp_path):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 1000000), }".ljust(117) + b"\n"
    with pytest.raises(UserError, match="its header tells of"):
        read(tmp_path / "a.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + b"\0" * 64)


def test_nothing_is_unpickled(tmp_path):
    file = io.BytesIO()
    np.save(file, np.array([{}], object), allow_pickle=True)
    with pytest.raises(UserError):
        read(tmp_path / "a.npy", file.getvalue())
