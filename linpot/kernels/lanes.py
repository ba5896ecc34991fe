"""
Lanes: one number of each of eight centre atoms, as one vector type of numba.

Arithmetic on lanes becomes vector instructions on every processor that has them (AVX-512: one
register, AVX2: two) and stays correct on those that do not. `pairs` are twice as wide: two
neighbors of each centre, side by side, so that the processor always has two independent chains of
arithmetic at hand. An array of lanes is a flat float64 array; lanes i are its elements
``8 i .. 8 i + 7``, pairs i are lanes 2 i and 2 i + 1. Loads and stores claim the alignment of a
double, so that any array will do, but those across two cache lines take twice the time: `aligned`
makes arrays that avoid it. Operations take numbers for lanes: they stand in every place.
"""

from __future__ import annotations

import operator

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.errors import TypingError
from numba.extending import intrinsic, models, overload, register_model

from linpot.kernels.compile import kernel

WIDTH = 8
DEPTH = 2

CACHE_LINE = 64  # bytes

_FLAGS = ("contract", "nsz")  # products and sums may be fused; never reordered


@kernel
def aligned(n):
    """Return a new float64 array of n values, not set, that starts with a cache line."""
    array = np.empty(n + CACHE_LINE // 8)
    first = (-array.ctypes.data % CACHE_LINE) // 8
    return array[first : first + n]


class LanesType(types.Type):
    """The type of `width` doubles."""

    def __init__(self, width):
        self.width = width
        super().__init__(name=f"lanes{width}")


lanes = LanesType(WIDTH)
pairs = LanesType(WIDTH * DEPTH)


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, frontend_type):
        super().__init__(manager, frontend_type, _vector(frontend_type))


def _vector(kind, element=None):
    return ir.VectorType(element or ir.DoubleType(), kind.width)


def _pointer(context, builder, kind, array_type, array, index_type, index, stride=None):
    """Address of value `index` of a contiguous array of lanes or pairs, or of others apart."""
    data = context.make_array(array_type)(context, builder, array).data
    index = context.cast(builder, index, index_type, types.intp)
    first = builder.mul(index, ir.Constant(index.type, stride or kind.width))
    return builder.bitcast(builder.gep(data, [first]), _vector(kind).as_pointer())


def _loader(kind, description, stride=None):
    def loader(typing_context, array, i):
        def generate(context, builder, signature, arguments):
            array_type, index_type = signature.args
            value = builder.load(
                _pointer(
                    context, builder, kind, array_type, arguments[0], index_type, arguments[1],
                    stride,
                )
            )  # fmt: skip
            value.align = 8
            return value

        return kind(array, i), generate

    loader.__doc__ = description
    return intrinsic(loader)


load = _loader(lanes, "Return lanes i of an array.")
load_pairs = _loader(pairs, "Return pairs i of an array.")
load_from = _loader(lanes, "Return the lanes that begin with element i of an array.", stride=1)


def _storer(description, stride=None):
    def storer(typing_context, array, i, value):
        def generate(context, builder, signature, arguments):
            array_type, index_type, kind = signature.args
            pointer = _pointer(
                context, builder, kind, array_type, arguments[0], index_type, arguments[1], stride
            )
            builder.store(arguments[2], pointer).align = 8
            return context.get_dummy_value()

        return types.void(array, i, value), generate

    storer.__doc__ = description
    return intrinsic(storer)


store = _storer("Write lanes i or pairs i of an array, as the value is.")
store_from = _storer("Write the lanes that begin with element i of an array.", stride=1)


@intrinsic
def at(typing_context, array, i):
    """Return element i of a contiguous array; i is not negative, and that is not looked at."""

    def generate(context, builder, signature, arguments):
        array_type, index_type = signature.args
        data = context.make_array(array_type)(context, builder, arguments[0]).data
        index = context.cast(builder, arguments[1], index_type, types.intp)
        return builder.load(builder.gep(data, [index]))

    return array.dtype(array, i), generate


@intrinsic
def put(typing_context, array, i, value):
    """Write element i of a contiguous array; i is not negative, and that is not looked at."""

    def generate(context, builder, signature, arguments):
        array_type, index_type, own = signature.args
        data = context.make_array(array_type)(context, builder, arguments[0]).data
        index = context.cast(builder, arguments[1], index_type, types.intp)
        value = context.cast(builder, arguments[2], own, array_type.dtype)
        builder.store(value, builder.gep(data, [index]))
        return context.get_dummy_value()

    return types.void(array, i, value), generate


_EXCHANGES = (  # first of each two vectors, second: neighbors, then twos, then fours change places
    ((0, 8, 2, 10, 4, 12, 6, 14), (1, 9, 3, 11, 5, 13, 7, 15)),
    ((0, 1, 8, 9, 4, 5, 12, 13), (2, 3, 10, 11, 6, 7, 14, 15)),
    ((0, 1, 2, 3, 8, 9, 10, 11), (4, 5, 6, 7, 12, 13, 14, 15)),
)


@intrinsic
def transpose(typing_context, source, row, step, target, column, stride):
    """
    Turn eight lanes into columns.

    Lanes ``row + k step`` of `source` are read; what stands at place k of each of them becomes
    lanes ``column + k stride`` of `target`.
    """

    def generate(context, builder, signature, arguments):
        def pointer(array, first, by, k):
            own = [signature.args[i] for i in (array, first, by)]
            start, step = (
                context.cast(builder, arguments[i], signature.args[i], types.intp)
                for i in (first, by)
            )
            index = builder.add(start, builder.mul(step, ir.Constant(step.type, k)))
            return _pointer(context, builder, lanes, own[0], arguments[array], types.intp, index)

        vectors = []
        for k in range(WIDTH):
            vectors.append(builder.load(pointer(0, 1, 2, k)))
            vectors[-1].align = 8
        for bit, patterns in enumerate(_EXCHANGES):
            first, second = (
                ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), pattern) for pattern in patterns
            )
            for k in range(WIDTH):
                if not k & 1 << bit:
                    a, b = vectors[k], vectors[k | 1 << bit]
                    vectors[k] = builder.shuffle_vector(a, b, first)
                    vectors[k | 1 << bit] = builder.shuffle_vector(a, b, second)
        for k, vector in enumerate(vectors):
            builder.store(vector, pointer(3, 4, 5, k)).align = 8
        return context.get_dummy_value()

    return types.void(source, row, step, target, column, stride), generate


def _splat(context, builder, number, number_type, kind):
    number = context.cast(builder, number, number_type, types.float64)
    undefined = ir.Constant(_vector(kind), ir.Undefined)
    first = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
    pattern = ir.Constant(ir.VectorType(ir.IntType(32), kind.width), [0] * kind.width)
    return builder.shuffle_vector(first, undefined, pattern)


@intrinsic
def splat(typing_context, x):
    """Return a number in all lanes."""

    def generate(context, builder, signature, arguments):
        return _splat(context, builder, arguments[0], signature.args[0], lanes)

    return lanes(x), generate


@intrinsic
def twice(typing_context, x):
    """Return pairs with the same lanes for both neighbors."""

    def generate(context, builder, signature, arguments):
        order = [*range(WIDTH), *range(WIDTH)]
        pattern = ir.Constant(ir.VectorType(ir.IntType(32), len(order)), order)
        return builder.shuffle_vector(arguments[0], arguments[0], pattern)

    return pairs(x), generate


@intrinsic
def filled(typing_context, like, x):
    """Return a number in all places of a value that is as wide as another."""

    def generate(context, builder, signature, arguments):
        return _splat(context, builder, arguments[1], signature.args[1], like)

    return like(like, x), generate


def _widest(arguments):
    """Type of the result: that of the lanes among the arguments, which must agree."""
    kinds = {a for a in arguments if isinstance(a, LanesType)}
    if len(kinds) != 1 or not all(
        isinstance(a, LanesType | types.Float | types.Integer) for a in arguments
    ):
        raise TypingError(f"lanes of one width and numbers are needed, got {arguments}")
    return kinds.pop()


def _values(context, builder, signature, arguments):
    kind = signature.return_type
    return [
        value if isinstance(own, LanesType) else _splat(context, builder, value, own, kind)
        for value, own in zip(arguments, signature.args, strict=True)
    ]


def _binary(instruction, flags=_FLAGS):
    @intrinsic
    def operation(typing_context, a, b):
        def generate(context, builder, signature, arguments):
            values = _values(context, builder, signature, arguments)
            return getattr(builder, instruction)(*values, flags=flags)

        return _widest([a, b])(a, b), generate

    return operation


_add, _subtract, _multiply = _binary("fadd"), _binary("fsub"), _binary("fmul")
_divide = _binary("fdiv", ())
add_exactly, subtract_exactly = _binary("fadd", ()), _binary("fsub", ())


def _llvm(name, n_arguments):
    """Make a function of lanes from an LLVM intrinsic."""

    def call(context, builder, signature, arguments):
        kind = signature.return_type
        vector = _vector(kind)
        function = cgutils.get_or_insert_function(
            builder.module,
            ir.FunctionType(vector, [vector] * n_arguments),
            f"llvm.{name}.v{kind.width}f64",
        )
        return builder.call(function, _values(context, builder, signature, arguments))

    if n_arguments == 1:

        @intrinsic
        def unary(typing_context, a):
            return _widest([a])(a), call

        return unary
    if n_arguments == 2:

        @intrinsic
        def binary(typing_context, a, b):
            return _widest([a, b])(a, b), call

        return binary

    @intrinsic
    def ternary(typing_context, a, b, c):
        return _widest([a, b, c])(a, b, c), call

    return ternary


square_root = _llvm("sqrt", 1)
larger = _llvm("maxnum", 2)
smaller = _llvm("minnum", 2)
fma = _llvm("fmuladd", 3)


@intrinsic
def power_of_two(typing_context, shifted):
    """
    Return 2^n where `shifted` is n + 1.5 * 2^52.

    The sum holds n in its lowest bits; moved to the exponent field they make 2^n.
    """

    def generate(context, builder, signature, arguments):
        kind = signature.return_type
        integers = _vector(kind, ir.IntType(64))
        bits = builder.bitcast(arguments[0], integers)
        biased = builder.add(bits, ir.Constant(integers, [1023] * kind.width))
        moved = builder.shl(biased, ir.Constant(integers, [52] * kind.width))
        return builder.bitcast(moved, _vector(kind))

    return shifted(shifted), generate


@intrinsic
def choose_below(typing_context, x, limit, below, above):
    """Return `below` in the places where x is below a limit, `above` in the others."""

    def generate(context, builder, signature, arguments):
        kind = signature.return_type
        bound = _splat(context, builder, arguments[1], signature.args[1], kind)
        return builder.select(
            builder.fcmp_ordered("<", arguments[0], bound), arguments[2], arguments[3]
        )

    return x(x, limit, below, above), generate


@intrinsic
def mask_below(typing_context, a, x):
    """Return a whole number whose bit i is set where lane i is below a number."""

    def generate(context, builder, signature, arguments):
        kind = signature.args[0]
        limit = _splat(context, builder, arguments[1], signature.args[1], kind)
        bits = builder.fcmp_ordered("<", arguments[0], limit)
        packed = builder.bitcast(bits, ir.IntType(kind.width))
        return builder.zext(packed, ir.IntType(64))

    return types.int64(a, x), generate


def _overload(symbol, operation):
    def choose(a, b):
        if isinstance(a, LanesType) or isinstance(b, LanesType):
            return lambda a, b: operation(a, b)
        return None

    overload(symbol)(choose)


_overload(operator.add, _add)
_overload(operator.sub, _subtract)
_overload(operator.mul, _multiply)
_overload(operator.truediv, _divide)
