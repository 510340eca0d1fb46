"""The bits of a vector are signs, of its coordinates and of their sums and differences."""

import random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vecstore
from vecstore.sqlite.index import bits, tables


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    dimensions=st.integers(32, 1100) | st.integers(1100, tables.MAX_DIMENSIONS),
    seed=st.integers(0, 1000),
    encoding=st.sampled_from(["UTF-8", "UTF-16"]),
)
def test_bits_are_signs_of_coordinates_and_of_sums_and_differences(dimensions, seed, encoding):
    """Of vectors of up to 1024 dimensions; longer ones are folded first."""
    generator = random.Random(seed)
    vector = [generator.choice([-1, 0, 1]) + generator.gauss(0, 1) for _ in range(dimensions)]
    db = vecstore.connect()
    db.execute(f"pragma encoding = '{encoding}'")
    db.execute("create table encoded (text)")
    blob = vecstore.encode(vector)
    (made,) = db.execute(
        f"select {bits.bits_sql(':vector', dimensions)}", {"vector": blob}
    ).fetchone()
    db.close()
    exact = vecstore.decode(blob)
    while len(exact) > 1024:
        half = len(exact) // 32 * 16
        # In float32, as sqlite-vec adds.
        exact = vecstore.decode(
            vecstore.encode(
                [a + b for a, b in zip(exact[:half], exact[half : 2 * half], strict=True)]
            )
        )
    count = bits.bit_count(dimensions)
    signs = min(len(exact), count) // 16 * 16
    added = count - signs
    sums = -(-added // 32) * 16
    numbers = [
        *exact[:signs],
        *(a + b for a, b in zip(exact[:sums], exact[sums : 2 * sums], strict=True)),
        *(
            a - b
            for a, b in zip(
                exact[: added - sums], exact[added - sums : 2 * (added - sums)], strict=True
            )
        ),
    ]
    assert len(made) * 8 == len(numbers) == count
    assert [made[n // 8] >> n % 8 & 1 for n in range(count)] == [number > 0 for number in numbers]
