"""Who signed what is told strictly, and of many claims at one time."""

from __future__ import annotations

import pytest
from nacl.public import SealedBox
from nacl.signing import SigningKey

from photonic import limits
from photonic.identity import (
    SIGNATURE_BYTES,
    Claim,
    Identity,
    are_signed,
    box_for,
    is_signed_by,
)
from photonic.ids import NodeId
from photonic.world import World

SIGNER, OTHER = Identity(bytes(32)), Identity(bytes([1]) * 32)


def claim(number: int) -> Claim:
    data = b"data %d" % number
    return Claim(SIGNER.node, SIGNER.sign(data), data)


def test_a_signature_fits_its_signer_and_its_data_and_nothing_else() -> None:
    node, signature, data = claim(1)
    assert is_signed_by(node, signature, data)
    assert is_signed_by(node, SIGNER.sign(b""), b"")
    assert not is_signed_by(OTHER.node, signature, data)
    assert not is_signed_by(node, signature, data + b"x")
    for position in (0, 31, 32, 63):
        altered = bytearray(signature)
        altered[position] ^= 1
        assert not is_signed_by(node, bytes(altered), data)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_what_is_too_short_or_too_long_is_no_signature_and_no_key(length: int) -> None:
    node, signature, data = claim(1)
    assert not is_signed_by(NodeId(bytes(length)), signature, data)
    if length != SIGNATURE_BYTES:
        assert not is_signed_by(node, signature[:length].ljust(length, b"\0"), data)
    # What is missing of the signature is not taken from the data.
    assert not is_signed_by(node, signature[:-1], signature[-1:] + data)


def test_a_key_under_which_one_signature_fits_many_messages_is_refused() -> None:
    small_order = [bytes(32), b"\1" + bytes(31), bytes.fromhex("ec" + "ff" * 30 + "7f")]
    for key in small_order:
        for data in (b"one", b"other"):
            assert not is_signed_by(NodeId(key), key + bytes(32), data)


def test_a_number_that_is_not_reduced_is_refused() -> None:
    node, signature, data = claim(1)
    order = (1 << 252) + 27742317777372353535851937790883648493
    number = int.from_bytes(signature[32:], "little") + order
    assert not is_signed_by(node, signature[:32] + number.to_bytes(32, "little"), data)


@pytest.mark.parametrize("count", [0, 1, 7, 8, 16, 17, 33, 500])
def test_many_claims_are_answered_in_their_order(count: int) -> None:
    claims = [claim(number) for number in range(count)]
    assert are_signed(claims) == [True] * count
    wrong = set(range(0, count, 5))
    for number in wrong:
        claims[number] = claims[number]._replace(data=b"other")
    assert are_signed(claims) == [number not in wrong for number in range(count)]


def test_threads_are_few() -> None:
    assert 1 < limits.SIGNATURE_THREADS_MAX <= 8


def test_an_identity_shows_no_seed() -> None:
    identity = Identity.generate(World())
    assert identity.seed.hex() not in repr(identity) and "seed" not in repr(identity)


def test_a_box_is_libsodiums_and_follows_from_what_it_is_made_with() -> None:
    data, once = b"a library key", bytes(range(32))
    box = box_for(SIGNER.node, data, once)
    assert SealedBox(SigningKey(SIGNER.seed).to_curve25519_private_key()).decrypt(box) == data
    assert SIGNER.open_box(box) == data
    assert OTHER.open_box(box) is None
    assert box_for(SIGNER.node, data, once) == box, "nothing else of chance is in it"
    assert box_for(SIGNER.node, data, bytes(32)) != box
    public = SigningKey(SIGNER.seed).verify_key.to_curve25519_public_key()
    assert SIGNER.open_box(SealedBox(public).encrypt(data)) == data, "older nodes' boxes open"
    with pytest.raises(ValueError, match="sealed"):
        box_for(NodeId(bytes(32)), data, once)
