"""FLAC frames whose number is changed (RFC 9639, 9.1), so that a segment's follow the one before.

A frame ends with a checksum of all of it. It is linear, so that the new one follows from the
headers alone, and the audio is not read again.
"""

from __future__ import annotations

from functools import cache

_CRC8 = 0x107
_CRC16 = 0x18005
_BLOCK_SIZE_BYTES = {6: 1, 7: 2}
_RATE_BYTES = {12: 1, 13: 2, 14: 2}


def renumbered(frame: bytes, number: int) -> bytes:
    """`frame`, of a stream with blocks of one size, as its `number`th, counted from 0."""
    old_number = _coded_length(frame[4])
    rest = _BLOCK_SIZE_BYTES.get(frame[2] >> 4, 0) + _RATE_BYTES.get(frame[2] & 15, 0)
    end = 4 + old_number + rest
    header = frame[:4] + _coded(number) + frame[4 + old_number : end]
    header += bytes((_remainder(header, _CRC8),))
    body, checksum = frame[end + 1 : -2], int.from_bytes(frame[-2:], "big")
    change = _remainder(frame[: end + 1], _CRC16) ^ _remainder(header, _CRC16)
    checksum ^= _product(change, _power(8 * len(body)))
    return header + body + checksum.to_bytes(2, "big")


def _coded_length(first: int) -> int:
    """Bytes of a number coded as UTF-8 codes characters, by its first byte."""
    return max(1, 8 - (first ^ 0xFF).bit_length())


def _coded(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    more = bytearray()
    most = 0x40
    while number >= most:
        more.append(0x80 | number & 0x3F)
        number >>= 6
        most = most >> 1 if len(more) > 1 else 0x20
    lead = 0xFF << (7 - len(more)) & 0xFF
    return bytes((lead & 0xFF | number,)) + bytes(reversed(more))


def _remainder(data: bytes, polynomial: int) -> int:
    """The CRC of `data`: what remains of it, shifted by the CRC's width, over GF(2)."""
    width = polynomial.bit_length() - 1
    value = 0
    for byte in data:
        value ^= byte << (width - 8)
        for _ in range(8):
            value <<= 1
            if value >> width:
                value ^= polynomial
    return value


def _product(left: int, right: int) -> int:
    """Modulo the polynomial of the frame's checksum."""
    product = 0
    while right:
        if right & 1:
            product ^= left
        right >>= 1
        left <<= 1
        if left >> 16:
            left ^= _CRC16
    return product


@cache
def _power_of_two(exponent: int) -> int:
    """x to the power of 2 to the power of `exponent`."""
    if exponent == 0:
        return 2
    half = _power_of_two(exponent - 1)
    return _product(half, half)


def _power(exponent: int) -> int:
    """x to the power of `exponent`."""
    result = 1
    for bit in range(exponent.bit_length()):
        if exponent >> bit & 1:
            result = _product(result, _power_of_two(bit))
    return result
