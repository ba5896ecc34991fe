"""The text of .yace files: what is written is read, what is wrong is refused by its place."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from linpot.errors import FileFormatError
from linpot.lammps.document import Bond, Embedding, Function, YaceDocument
from linpot.lammps.yace_parser import parse_yace
from linpot.lammps.yace_text import yace_text

TEXT = (Path(__file__).parent / "data" / "yace" / "two_species.yace").read_text()


def tiny(**changes) -> YaceDocument:
    bond = Bond(np.array([[[0.1, 1e-05, 3e99]]]), "ChebExpCos", (2.5,), 4.0)
    function = Function(
        *(np.array([0]), np.array([3]), np.array([0])), np.array([[0]]), np.array([[-1e-17]])
    )
    document = YaceDocument(("N",), (-1.5,), 0.0005, (Embedding(),), {(0, 0): bond}, ((function,),))
    return replace(document, **changes)


def test_text_of_a_document_is_read_back_to_the_bit():
    document = tiny()
    again = parse_yace(yace_text(document))
    assert again.elements == ("N",)
    assert again.isolated_atom_energies == (-1.5,)
    assert again.embeddings == document.embeddings
    assert np.array_equal(again.bonds[0, 0].coefficients, document.bonds[0, 0].coefficients)
    assert again.functions[0][0].coefficients[0, 0] == -1e-17


def test_text_is_a_fixed_point_of_reading_and_writing():
    once = yace_text(parse_yace(TEXT))
    assert yace_text(parse_yace(once)) == once


def test_whole_numbers_have_no_point_and_floats_are_yaml_floats():
    text = yace_text(tiny())
    assert "rank: 1," in text
    assert "lmax: 0," in text
    assert "1.0e-05" in text  # YAML 1.1 takes 1e-05 for text
    assert yaml.safe_load("1.0e-05") == 1e-5


def test_species_without_functions_is_written_as_an_empty_list():
    text = yace_text(tiny(functions=((),)))
    assert "  0: []" in text
    assert parse_yace(text).functions == ((),)


def test_block_style_is_read_like_flow_style():
    text = yace_text(tiny())
    loaded = yaml.safe_load(text.replace("[0, 0]:", "'[0, 0]':"))
    blocks = yaml.safe_dump(loaded, default_flow_style=False).replace("'[0, 0]':", "[0, 0]:")
    assert "\n  - mu0" in blocks or "\n  - ctildes" in blocks
    assert yace_text(parse_yace(blocks)) == text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("elements: [Al, Ni]", "elements: [Al, Xx]", "elements must be different chemical symbols"),
        ("elements: [Al, Ni]", "elements: [Al, Al]", "elements must be different chemical symbols"),
        ("E0: [-1.25, 0.75]", "E0: [-1.25]", "E0 must be 2 numbers, got 1"),
        ("E0: [-1.25, 0.75]", "E0: [-1.25, .nan]", "E0 must be finite, got nan"),
        ("E0: [-1.25, 0.75]", "", "E0 is missing"),
        ("deltaSplineBins: 0.001", "deltaSplineBins: 0", "deltaSplineBins must be a positive"),
        ("deltaSplineBins: 0.001", "deltaSplineBins: [1]", "deltaSplineBins must be a number"),
        ("  [0, 1]:", "  [0, 3]:", "bonds must be given for all ordered pairs"),
        ("  [0, 1]:", "  wrong:", "bonds: keys must be [i, j], got 'wrong'"),
        ("nradmax: 2", "nradmax: 3", "radcoefficients must have shape"),
        ("nradmax: 2", "nradmax: 2.0", "bonds[[0, 0]]: nradmax must be a whole number"),
        ("radbasename: ChebExpCos", "radbasename: Chebby", "radbasename must be one of"),
        ("radbasename: ChebExpCos", "radbasename: ACE.jl.base", "(ACE.jl) is not supported"),
        ("rcut: 4.5", "rcut: -4.5", "bonds[[0, 0]]: rcut must be from 0.01 to 1000 A"),
        ("dcut: 0.01", "dcut: 10", "dcut must be 0 to rcut"),
        ("radparameters: [5.25]", "radparameters: [1e9]", "radparameters must be from 1e-6 to 100"),
        ("[[[0.3047,", "[[[1e300,", "radcoefficients must be finite and below 1e+100, got 1e+300"),
        ("rank: 2", "rank: 0", "functions[0][4]: rank must be a whole number from 1 to 10"),
        ("rank: 1", "rank: 2", "functions[0][0]: mus must have 2 numbers, got 1"),
        ("mus: [0, 1]", "mus: [0, 2]", "functions[0][4]: mus[1] must be 0 to 1, got 2"),
        ("ns: [1, 2]", "ns: [1, 3]", "functions[0][4]: ns[1] must be 1 to 2, got 3"),
        ("ls: [1, 1]", "ls: [1, 9]", "functions[0][4]: ls[1] must be 0 to 2, got 9"),
        ("ms_combs: [1, -1, 0, 0]", "ms_combs: [2, -2, 0, 0]", "ms_combs must be from -l to l"),
        ("ms_combs: [1, -1, 0, 0]", "ms_combs: [1, -1, 0]", "ms_combs must have 4 numbers, got 3"),
        ("ctildes: [-1.3227]", "ctildes: [x]", "ctildes[0] must be a number, got 'x'"),
        ("ctildes: [-1.3227]", "ctildes: [.inf]", "functions[0][0]: ctildes must be finite"),
        ("mu0: 0, rank: 1", "mu0: 1, rank: 1", "functions[0][0]: mu0 must be 0, got 1"),
        ("npoti: Finnis", "npoti: Magic", "embeddings[0]: npoti must be"),
        ("FS_parameters: [1, 1]", "FS_parameters: [1]", "FS_parameters must be 2 numbers"),
        ("functions:", "nothing:", "functions is missing"),
        ("  [0, 1]:", "  [0, 0]:", "line 9: the key '[0, 0]' must be given once"),
        ("rank: 1,", "rank: 1, rank: 1,", "the key 'rank' must be given once"),
        ("elements: [Al, Ni]", "elements: &a [Al, Ni]", "line 1: anchors and aliases"),
        ("elements: [Al, Ni]", "elements: [Al, Ni", "it must be YAML"),
        ("elements: [Al, Ni]", "elements: " + 30 * "[", "line 1: brackets must be nested at most"),
        ("elements: [Al, Ni]", "elements: !!python/object/apply:os.getcwd []", "it must be YAML"),
    ],
)
def test_wrong_file_is_refused_with_the_place(old, new, message):
    assert old in TEXT
    with pytest.raises(FileFormatError, match=re.escape(message)) as caught:
        parse_yace(TEXT.replace(old, new, 1), "bad.yace")
    assert "cannot read 'bad.yace'" in str(caught.value)


@pytest.mark.parametrize("text", ["", "3", "- 1", "a: b", "\x00", "{" * 1000, "- " * 5000])
def test_what_is_no_yace_file_at_all_is_refused(text):
    with pytest.raises(FileFormatError, match="cannot read 'x'"):
        parse_yace(text, "x")


def test_file_that_ends_inside_a_line_is_refused():
    for end in range(0, len(TEXT), 97):
        if TEXT[end - 1 : end] == "\n":
            continue  # whole functions are missing, which no reader can know
        with pytest.raises(FileFormatError):
            parse_yace(TEXT[:end])
