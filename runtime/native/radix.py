"""Sorting long rows of 32-bit elements by their bits: four passes over eight bits each, from the last to the first.

(Least significant digit radix sort; Knuth, The Art of Computer Programming, volume 3, 5.2.5.) A number's bits become an
integer of the same order, which shares a 64-bit word with its position. Each pass keeps the order of equal digits, so
equal elements keep theirs.
"""

from __future__ import annotations

from vcc.runtime.isa.kernel import Instr
from vcc.runtime.native.beside import integer_order
from vcc.runtime.native.emit import Val
from vcc.runtime.native.frame import Frame
from vcc.runtime.native.rows import Order

#: Rows of at least so many elements: counting digits takes as long as sorting some hundred by comparing.
LEAST = 64
_DIGITS, _VALUES = 4, 256


class RadixOrder(Order):
    """`order` of long rows: two arrays of words and the counts of digits lie in the kernel's own memory."""

    def __init__(self, frame: Frame, instr: Instr):
        super().__init__(frame, instr)
        self.reserve(self.instr.domain[self.axis].max)

    def reserve(self, most: int) -> None:
        """Asks for memory to sort so many words."""
        self.most = most
        self.f.panel_bytes = max(self.f.panel_bytes, 8 * (_DIGITS * _VALUES + 2 * most))

    def row(self, size: Val) -> None:
        with self.e.loop(0, size) as i:
            self.append(self.integer(i), i, i)
        self.sort(size)
        self.give(size)

    def append(self, key: str, position: Val, at: Val) -> None:
        """Makes a word of an element's integer and its position, number `at` of those to sort."""
        high = self.e.op(f"shl i64 {self.e.op(f'zext i32 {key} to i64')}, 32")
        self.e.do(f"store i64 {self.e.op(f'or i64 {high}, {position}')}, ptr {self.element(0, at)}")

    def give(self, size: Val) -> None:
        """The positions of the first words are the result."""
        with self.e.loop(0, size) as i:
            word = self.e.op(f"load i64, ptr {self.element(0, i)}")
            self.put(i, self.e.op(f"and i64 {word}, {2**32 - 1}"))

    def sort(self, size: Val) -> None:
        """Sorts the first words."""
        e = self.e
        width = self.f.cpu.vector_bytes // 8
        with e.loop(0, _DIGITS * _VALUES, width) as i:
            e.do(f"store <{width} x i64> zeroinitializer, ptr {self.word(i)}, align 8")
        with e.loop(0, size) as i:
            word = e.op(f"load i64, ptr {self.element(0, i)}")
            for digit in range(_DIGITS):
                count = self.count(word, 32 + 8 * digit, digit)
                e.do(f"store i64 {e.add(e.op(f'load i64, ptr {count}'), 1)}, ptr {count}")
        self.begins()
        for digit in range(_DIGITS):
            with e.loop(0, size) as i:
                word = e.op(f"load i64, ptr {self.element(digit % 2, i)}")
                place = self.count(word, 32 + 8 * digit, digit)
                at = e.op(f"load i64, ptr {place}")
                e.do(f"store i64 {word}, ptr {self.element(1 - digit % 2, at)}")
                e.do(f"store i64 {e.add(at, 1)}, ptr {place}")

    def begins(self) -> None:
        """Counts of the digits' values become the places where each begins."""
        e, totals = self.e, [self.e.variable("i64", "0") for _ in range(_DIGITS)]
        with e.loop(0, _VALUES) as i:
            for digit, total in enumerate(totals):
                where = self.word(e.add(i, digit * _VALUES))
                count, before = e.op(f"load i64, ptr {where}"), e.op(f"load i64, ptr {total}")
                e.do(f"store i64 {before}, ptr {where}")
                e.do(f"store i64 {e.add(before, count)}, ptr {total}")

    def integer(self, i: Val) -> str:
        """An element as an unsigned integer, the less the earlier it comes."""
        down = self.instr.attrs.get("by") == "descending"
        return self.e.op(f"extractelement <1 x i32> {integer_order(self.keys, self.key(i), descending=down)}, i64 0")

    def count(self, word: str, shift: int, digit: int) -> str:
        """Where the number of words with this word's digit is."""
        value = self.e.op(f"and i64 {self.e.op(f'lshr i64 {word}, {shift}')}, {_VALUES - 1}")
        return self.word(self.e.add(value, digit * _VALUES))

    def element(self, array: int, i: Val) -> str:
        return self.word(self.e.add(i, _DIGITS * _VALUES + array * self.most))

    def word(self, i: Val) -> str:
        return self.e.op(f"getelementptr i64, ptr %.panel, i64 {i}")
