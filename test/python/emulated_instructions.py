"""Runs code for instructions that this processor may not have.

`compile_emulated` stops at the LLVM dialect, where each instruction that code generation names itself is a call of an
intrinsic, and replaces these by functions of plain vectors, which LLVM compiles for any processor. What they compute is
written down here after Intel's "Architectures Software Developer's Manual", volume 2. What LLVM makes of the rest for
AVX-512 is not run: `test/emulation` does that.
"""

import re

import quantc

TILE = "!llvm.array<16 x vector<16xi32>>"
INTRINSIC = re.compile(r'llvm\.call_intrinsic "(llvm\.x86\.[^"]*)"\((.*?)\) : \((.*?)\) -> (\S+)')


def vector(lanes, element):
    return f"vector<{lanes}x{element}>"


class Body:
    """The text of a function's body, line by line."""

    def __init__(self):
        self.lines = []
        self.count = 0

    def __call__(self, op, to_type=""):
        self.count += 1
        self.lines.append(f"    %v{self.count} = {op} : {to_type}" if to_type else f"    %v{self.count} = {op}")
        return f"%v{self.count}"

    def constant(self, value, of_type):
        text = f"dense<{value}> : {of_type}" if of_type.startswith("vector") else f"{value} : {of_type}"
        return self(f"llvm.mlir.constant({text})", of_type)

    def pick(self, value, of_type, indices):
        return self(f"llvm.shufflevector {value}, {value} [{', '.join(map(str, indices))}]", of_type)

    def binary(self, op, x, y, of_type):
        return self(f"llvm.{op} {x}, {y}", of_type)

    def cast(self, op, value, from_type, to_type):
        return self(f"llvm.{op} {value}", f"{from_type} to {to_type}")


def members(body, value, lanes, group, element, member, extension):
    """Element `member` of each group, extended to 32 bits."""
    part = body.pick(value, vector(lanes * group, element), range(member, lanes * group, group))
    wide = "f32" if element == "bf16" else "i32"
    return body.cast(extension, part, vector(lanes, element), vector(lanes, wide))


def sum_products(body, total, a, b, lanes, group, element, extensions):
    """`total` plus the products in each group, the last of which come first."""
    of_type = vector(lanes, "f32" if element == "bf16" else "i32")
    for member in reversed(range(group)):
        x, y = (members(body, v, lanes, group, element, member, e) for v, e in zip((a, b), extensions))
        if element == "bf16":
            total = body(f"llvm.intr.fma({x}, {y}, {total})", f"({of_type}, {of_type}, {of_type}) -> {of_type}")
        else:
            total = body.binary("add", total, body.binary("mul", x, y, of_type), of_type)
    return total


def lookup(body, sources, of_type, lanes, element, indices, index_type, mask):
    """The elements of `sources` at `indices`, of which the bits of `mask` count."""
    size = body.constant(1, "i32")
    table = body(f"llvm.alloca {size} x !llvm.array<{len(sources)} x {of_type}>", "(i32) -> !llvm.ptr")
    for i, source in enumerate(sources):
        place = body(f"llvm.getelementptr {table}[{i}]", f"(!llvm.ptr) -> !llvm.ptr, {of_type}")
        body.lines.append(f"    llvm.store {source}, {place} : {of_type}, !llvm.ptr")
    masked = body.binary("and", indices, body.constant(mask, index_type), index_type)
    result = body("llvm.mlir.poison", of_type)
    for lane in range(lanes):
        at = body.constant(lane, "i32")
        index = body(f"llvm.extractelement {masked}[{at} : i32]", index_type)
        wide = body.cast("zext", index, index_type.split("x")[-1][:-1], "i64")
        place = body(f"llvm.getelementptr {table}[{wide}]", f"(!llvm.ptr, i64) -> !llvm.ptr, {element}")
        value = body(f"llvm.load {place}", f"!llvm.ptr -> {element}")
        result = body(f"llvm.insertelement {value}, {result}[{at} : i32]", of_type)
    return result


def shuffle_bytes(body):
    """A lookup in each 16 bytes; an index with its highest bit set gives 0."""
    bytes = vector(64, "i8")
    starts = [lane // 16 * 16 for lane in range(64)]
    within = body.binary("and", "%a1", body.constant(15, bytes), bytes)
    indices = body.binary("or", within, body.constant(starts, bytes), bytes)
    found = lookup(body, ["%a0"], bytes, 64, "i8", indices, bytes, 63)
    zero = body.constant(0, bytes)
    is_set = body(f'llvm.icmp "slt" %a1, {zero}', bytes)
    return body(f"llvm.select {is_set}, {zero}, {found}", f"{vector(64, 'i1')}, {bytes}")


def define_rows(body, visit):
    """A tile row by row."""
    tile = body("llvm.mlir.poison", TILE)
    for row in range(16):
        tile = body(f"llvm.insertvalue {visit(row)}, {tile}[{row}]", TILE)
    return tile


def address(body, row):
    distance = body.binary("mul", "%a3", body.constant(row, "i64"), "i64")
    return body(f"llvm.getelementptr %a2[{distance}]", "(!llvm.ptr, i64) -> !llvm.ptr, i8")


def define(name):
    """The body of the function for intrinsic `name`, or None if it is unknown."""
    body = Body()
    if match := re.fullmatch(r"llvm\.x86\.avx512\.vpdpbusd\.(256|512)", name):
        total = sum_products(body, "%a0", "%a1", "%a2", int(match[1]) // 32, 4, "i8", ("zext", "sext"))
        return body, total
    if name == "llvm.x86.avx512.pmaddw.d.512":
        zero = body.constant(0, vector(16, "i32"))
        return body, sum_products(body, zero, "%a0", "%a1", 16, 2, "i16", ("sext", "sext"))
    if name == "llvm.x86.avx512.pmaddubs.w.512":
        wide = vector(32, "i32")
        total = sum_products(body, body.constant(0, wide), "%a0", "%a1", 32, 2, "i8", ("zext", "sext"))
        for op, bound in (("smin", 32767), ("smax", -32768)):
            total = body(f"llvm.intr.{op}({total}, {body.constant(bound, wide)})", f"({wide}, {wide}) -> {wide}")
        return body, body.cast("trunc", total, wide, vector(32, "i16"))
    if name == "llvm.x86.avx512bf16.dpbf16ps.512":
        return body, sum_products(body, "%a0", "%a1", "%a2", 16, 2, "bf16", ("fpext", "fpext"))
    if name == "llvm.x86.avx512bf16.cvtne2ps2bf16.512":
        high, low = (body.cast("fptrunc", a, vector(16, "f32"), vector(16, "bf16")) for a in ("%a0", "%a1"))
        return body, body(f"llvm.shufflevector {low}, {high} {list(range(32))}", vector(16, "bf16"))
    if name == "llvm.x86.avx512.vpermi2var.ps.512":
        ps, indices = vector(16, "f32"), vector(16, "i32")
        return body, lookup(body, ["%a0", "%a2"], ps, 16, "f32", "%a1", indices, 31)
    if name == "llvm.x86.avx512.vpermi2var.qi.512":
        bytes = vector(64, "i8")
        return body, lookup(body, ["%a0", "%a2"], bytes, 64, "i8", "%a1", bytes, 127)
    if name == "llvm.x86.avx512.permvar.sf.512":
        return body, lookup(body, ["%a0"], vector(16, "f32"), 16, "f32", "%a1", vector(16, "i32"), 15)
    if name == "llvm.x86.avx512.pshuf.b.512":
        return body, shuffle_bytes(body)
    if name == "llvm.x86.tileloadd64.internal":
        load = lambda row: body(f"llvm.load {address(body, row)}", f"!llvm.ptr -> {vector(16, 'i32')}")
        return body, define_rows(body, load)
    if name == "llvm.x86.tilestored64.internal":
        for row in range(16):
            value = body(f"llvm.extractvalue %a4[{row}]", TILE)
            body.lines.append(f"    llvm.store {value}, {address(body, row)} : {vector(16, 'i32')}, !llvm.ptr")
        return body, None
    if match := re.fullmatch(r"llvm\.x86\.tdpb(ss|su|us|uu|f16p)[ds]\.internal", name):
        return body, define_product(body, match[1])
    return None


def define_product(body, kind):
    words = vector(16, "i32")
    sums = vector(16, "f32" if kind == "f16p" else "i32")
    group, element = (2, "bf16") if kind == "f16p" else (4, "i8")
    elements = vector(16 * group, element)
    extensions = ["fpext"] * 2 if kind == "f16p" else ["sext" if c == "s" else "zext" for c in kind]
    columns = []
    for word in range(16):
        column = body(f"llvm.extractvalue %a5[{word}]", TILE)
        columns.append(body.cast("bitcast", column, words, elements))

    def multiply(row):
        total = body(f"llvm.extractvalue %a3[{row}]", TILE)
        factors = body(f"llvm.extractvalue %a4[{row}]", TILE)
        total = body.cast("bitcast", total, words, sums) if kind == "f16p" else total
        for word in range(16):
            factor = body.cast("bitcast", body.pick(factors, words, [word] * 16), words, elements)
            total = sum_products(body, total, factor, columns[word], 16, group, element, extensions)
        return body.cast("bitcast", total, sums, words) if kind == "f16p" else total

    return define_rows(body, multiply)


def emulate(text):
    """A module of the LLVM dialect without the intrinsics above, and their names."""
    functions = {}

    def replace(match):
        name, operands, types, result = match.groups()
        symbol = "emulate_" + re.sub(r"\W", "_", name.removeprefix("llvm.x86."))
        if name not in functions:
            parameters = types.split(", ")
            defined = define(name)
            if defined is None:
                assert not re.search("avx512|tile|tdp", name), f"{name} is to be emulated"
                return match[0]
            body, value = defined
            arguments = ", ".join(f"%a{i}: {t}" for i, t in enumerate(parameters))
            to = "" if value is None else f" -> {result}"
            end = "    llvm.return" if value is None else f"    llvm.return {value} : {result}"
            functions[name] = "\n".join(
                [f"  llvm.func internal @{symbol}({arguments}){to} {{", *body.lines, end, "  }"]
            )
        return f"llvm.call @{symbol}({operands}) : ({types}) -> {result}"

    text = INTRINSIC.sub(replace, text)
    # Before the end of the module, which locations follow.
    end = text.rindex("\n} loc(")
    text = "\n".join([text[:end], *functions.values(), text[end:].lstrip("\n")])
    return text.replace("!llvm.x86_amx", TILE), set(functions)


def compile_emulated(quantc_cli, path, target, folder, *options):
    """The library of a model for `target`, as this processor can run it, and the names of what is emulated."""
    quantc_cli.ok("compile", path, f"--target={target}", "--emit=llvm", "-o", folder / "code.mlir", *options)
    text, names = emulate((folder / "code.mlir").read_text())
    (folder / "emulated.mlir").write_text(text)
    quantc_cli.ok("compile", folder / "emulated.mlir", "-o", folder / "emulated.so")
    return quantc.load(folder / "emulated.so"), names
