"""
Lanes: eight numbers, one of each of eight centre atoms, as one vector type of numba.

Arithmetic on lanes becomes vector instructions on every processor that has them (AVX-512: one
register, AVX2: two) and stays correct on those that do not. An array of lanes is a flat float64
array; index i means elements ``8 i .. 8 i + 7``. Loads and stores claim the alignment of a double.
"""

from __future__ import annotations

import operator

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, overload, register_model

WIDTH = 8

_DOUBLES = ir.VectorType(ir.DoubleType(), WIDTH)
_INTEGERS = ir.VectorType(ir.IntType(64), WIDTH)
_FLAGS = ("contract", "nsz")  # products and sums may be fused; never reordered


class LanesType(types.Type):
    """The type of eight doubles."""

    def __init__(self):
        super().__init__(name=f"lanes{WIDTH}")


lanes = LanesType()


@register_model(LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager, frontend_type):
        super().__init__(manager, frontend_type, _DOUBLES)


def _pointer(context, builder, signature, arguments):
    """Address of element ``8 i`` of a contiguous array."""
    array = context.make_array(signature.args[0])(context, builder, arguments[0])
    index = context.cast(builder, arguments[1], signature.args[1], types.intp)
    first = builder.mul(index, ir.Constant(index.type, WIDTH))
    return builder.bitcast(builder.gep(array.data, [first]), _DOUBLES.as_pointer())


@intrinsic
def load(typing_context, array, i):
    """Return lanes i of an array."""

    def generate(context, builder, signature, arguments):
        value = builder.load(_pointer(context, builder, signature, arguments))
        value.align = 8
        return value

    return lanes(array, i), generate


@intrinsic
def store(typing_context, array, i, value):
    """Write lanes i of an array."""

    def generate(context, builder, signature, arguments):
        pointer = _pointer(context, builder, signature, arguments)
        builder.store(arguments[2], pointer).align = 8
        return context.get_dummy_value()

    return types.void(array, i, value), generate


@intrinsic
def splat(typing_context, x):
    """Return a number in all lanes."""

    def generate(context, builder, signature, arguments):
        number = context.cast(builder, arguments[0], signature.args[0], types.float64)
        undefined = ir.Constant(_DOUBLES, ir.Undefined)
        zero = ir.Constant(ir.IntType(32), 0)
        first = builder.insert_element(undefined, number, zero)
        pattern = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), [0] * WIDTH)
        return builder.shuffle_vector(first, undefined, pattern)

    return lanes(x), generate


def _binary(instruction, flags=_FLAGS):
    @intrinsic
    def operation(typing_context, a, b):
        def generate(context, builder, signature, arguments):
            return getattr(builder, instruction)(*arguments, flags=flags)

        return lanes(a, b), generate

    return operation


_add, _subtract, _multiply = _binary("fadd"), _binary("fsub"), _binary("fmul")
_divide = _binary("fdiv", ())
add_exactly, subtract_exactly = _binary("fadd", ()), _binary("fsub", ())


def _llvm(name, n_arguments):
    """Make a function of lanes from an LLVM intrinsic."""

    def call(context, builder, signature, arguments):
        kind = ir.FunctionType(_DOUBLES, [_DOUBLES] * n_arguments)
        function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.{name}.v{WIDTH}f64")
        return builder.call(function, arguments)

    if n_arguments == 1:

        @intrinsic
        def unary(typing_context, a):
            return lanes(a), call

        return unary
    if n_arguments == 2:

        @intrinsic
        def binary(typing_context, a, b):
            return lanes(a, b), call

        return binary

    @intrinsic
    def ternary(typing_context, a, b, c):
        return lanes(a, b, c), call

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
        bits = builder.bitcast(arguments[0], _INTEGERS)
        biased = builder.add(bits, ir.Constant(_INTEGERS, [1023] * WIDTH))
        moved = builder.shl(biased, ir.Constant(_INTEGERS, [52] * WIDTH))
        return builder.bitcast(moved, _DOUBLES)

    return lanes(shifted), generate


def _overload(symbol, operation):
    def choose(a, b):
        number = (types.Float, types.Integer)
        if isinstance(a, LanesType) and isinstance(b, LanesType):
            return lambda a, b: operation(a, b)
        if isinstance(a, LanesType) and isinstance(b, number):
            return lambda a, b: operation(a, splat(b))
        if isinstance(a, number) and isinstance(b, LanesType):
            return lambda a, b: operation(splat(a), b)
        return None

    overload(symbol)(choose)


_overload(operator.add, _add)
_overload(operator.sub, _subtract)
_overload(operator.mul, _multiply)
_overload(operator.truediv, _divide)
