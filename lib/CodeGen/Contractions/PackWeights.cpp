//===- PackWeights.cpp - Constants in the layout of a kernel --------------===//
//
// A packed matrix is [outer][panel]..., padded with zeros to whole panels, so
// that a micro-kernel reads it from the first byte to the last.
//
//===----------------------------------------------------------------------===//

#include "PackWeights.h"

#include "CodeGen/Gemm/ChannelOrder.h"
#include "DotProductAnalysis.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/DialectResourceBlobManager.h"

#include <Eigen/Core>

using namespace mlir;
using namespace quantc;

static DenseResourceElementsAttr getResource(memref::GlobalOp global) {
  return dyn_cast_or_null<DenseResourceElementsAttr>(
      global.getInitialValueAttr());
}

WeightPacker::WeightPacker(ModuleOp module, bool releaseOriginals,
                           DeferredConstants *deferred)
    : module(module), symbols(module), releaseOriginals(releaseOriginals),
      deferred(deferred) {
  module.walk([&](Operation *op) {
    if (auto call = dyn_cast<func::CallOp>(op))
      calls[call.getCalleeAttr().getAttr()].push_back(call);
    else if (auto get = dyn_cast<memref::GetGlobalOp>(op))
      ++numReads[get.getName()];
    else if (auto global = dyn_cast<memref::GlobalOp>(op))
      if (DenseResourceElementsAttr resource = getResource(global))
        ++numHolders[resource.getRawHandle().getKey()];
  });
}

/// Erases the views of a constant that lead to `buffer`, and the constant, as
/// far as nothing else reads them.
void WeightPacker::eraseUnused(Value buffer) {
  while (Operation *op = buffer.getDefiningOp()) {
    if (!op->use_empty())
      return;
    if (auto get = dyn_cast<memref::GetGlobalOp>(op)) {
      auto global = symbols.lookup<memref::GlobalOp>(get.getName());
      op->erase();
      if (--numReads[global.getSymName()] || !global.isPrivate())
        return;
      DenseResourceElementsAttr resource = getResource(global);
      symbols.erase(global);
      if (!resource)
        return;
      DenseResourceElementsHandle handle = resource.getRawHandle();
      if (--numHolders[handle.getKey()] == 0 && releaseOriginals)
        DeferredConstants::release(handle, deferred);
      return;
    }
    buffer = op->getOperand(0);
    op->erase();
  }
}

/// The constant behind a contiguous buffer, through reshapes.
static memref::GlobalOp getConstant(Value buffer, SymbolTable &symbols) {
  while (Operation *op = buffer.getDefiningOp()) {
    if (isa<memref::ExpandShapeOp, memref::CollapseShapeOp, memref::CastOp>(
            op)) {
      buffer = op->getOperand(0);
      continue;
    }
    auto get = dyn_cast<memref::GetGlobalOp>(op);
    if (!get)
      return nullptr;
    auto global = symbols.lookup<memref::GlobalOp>(get.getName());
    bool isConstant = global && global.getConstant() &&
                      global.getInitialValue() && !global.isUninitialized();
    return isConstant ? global : nullptr;
  }
  return nullptr;
}

SmallVector<int64_t> WeightColumns::getRowOffsets() const {
  SmallVector<int64_t> offsets{0};
  for (const StridedDim &dim : k) {
    SmallVector<int64_t> next;
    for (int64_t offset : offsets)
      for (int64_t i = 0; i < dim.size; ++i)
        next.push_back(offset + i * dim.stride);
    offsets = std::move(next);
  }
  if (elements == segment)
    return offsets;
  SmallVector<int64_t> padded;
  for (auto [i, offset] : llvm::enumerate(offsets)) {
    padded.push_back(offset);
    if ((i + 1) % elements == 0)
      padded.append(segment - elements, PanelSource::kNoRow);
  }
  return padded;
}

std::optional<ArrayRef<char>> WeightPacker::getBytes(ElementsAttr attr) {
  if (auto resource = dyn_cast<DenseResourceElementsAttr>(attr)) {
    AsmResourceBlob *blob = resource.getRawHandle().getBlob();
    if (!blob)
      return std::nullopt;
    return blob->getData();
  }
  auto dense = dyn_cast<DenseElementsAttr>(attr);
  if (!dense || dense.isSplat() || dense.getElementType().isInteger(1))
    return std::nullopt;
  return dense.getRawData();
}

/// Calls `visit` for each matrix in `bytes`, in the order in which they are
/// stored.
static void forEachMatrix(ArrayRef<char> bytes, unsigned width,
                          const WeightColumns &weights,
                          llvm::function_ref<void(const PanelSource &)> visit) {
  SmallVector<int64_t> rowOffsets = weights.getRowOffsets();
  int64_t outer = 1;
  for (auto [size, stride] : weights.outer)
    outer *= size;
  for (int64_t o = 0; o < outer; ++o) {
    int64_t base = 0, rest = o;
    for (auto [size, stride] : llvm::reverse(weights.outer)) {
      base += rest % size * stride;
      rest /= size;
    }
    visit({bytes.data() + base * width, width, rowOffsets, weights.n.size,
           weights.n.stride});
  }
}

/// The same, with the first column of each of the matrix's panels.
static void
forEachPanel(ArrayRef<char> bytes, unsigned width, const WeightColumns &weights,
             const MicroKernel &kernel,
             llvm::function_ref<void(const PanelSource &, int64_t)> visit) {
  forEachMatrix(bytes, width, weights, [&](const PanelSource &source) {
    for (int64_t first = 0; first < source.n; first += kernel.columns())
      visit(source, first);
  });
}

/// Elements of f32 as bf16.
static std::vector<Eigen::bfloat16> roundFloats(ArrayRef<char> bytes) {
  std::vector<Eigen::bfloat16> rounded(bytes.size() / sizeof(float));
  for (auto [i, element] : llvm::enumerate(rounded)) {
    float value;
    std::memcpy(&value, bytes.data() + i * sizeof(float), sizeof(float));
    element = Eigen::bfloat16(value);
  }
  return rounded;
}

/// Packs the matrices in `bytes`, whose elements take `width` bytes each once
/// they are rounded, if they are to be.
static void writePanels(ArrayRef<char> bytes, unsigned width,
                        const WeightColumns &weights, const MicroKernel &kernel,
                        bool isFlipped, bool isRounded, char *target) {
  std::vector<Eigen::bfloat16> rounded;
  if (isRounded) {
    rounded = roundFloats(bytes);
    bytes = ArrayRef(reinterpret_cast<const char *>(rounded.data()),
                     rounded.size() * sizeof(Eigen::bfloat16));
  }
  if (!kernel.dot) {
    forEachMatrix(bytes, width, weights, [&](const PanelSource &source) {
      target = packPanels(source, kernel.columns(), target);
    });
    return;
  }
  forEachPanel(bytes, width, weights, kernel,
               [&](const PanelSource &source, int64_t first) {
                 target =
                     kernel.dot.takesFloats
                         ? packFloatGroups(source, first, kernel, target)
                         : packGroups(source, first, kernel, isFlipped, target);
               });
}

DenseResourceElementsHandle
WeightPacker::addResource(DenseResourceElementsAttr original, StringRef name,
                          ArrayRef<char> bytes, StringRef recipe, uint64_t size,
                          std::function<void(char *)> write) {
  auto &manager =
      DenseResourceElementsHandle::getManagerInterface(module.getContext());
  if (!deferred || !original) {
    AsmResourceBlob blob = HeapAsmResourceBlob::allocate(size, /*align=*/64);
    write(blob.getMutableData().data());
    return manager.insert(name, std::move(blob));
  }
  DenseResourceElementsHandle result = manager.insert(name);
  deferred->add(result, original.getRawHandle(),
                {bytes, recipe.str(), size, std::move(write)});
  return result;
}

memref::GlobalOp WeightPacker::getPacked(memref::GlobalOp global,
                                         const WeightColumns &weights,
                                         const MicroKernel &kernel,
                                         bool isFlipped, bool isRounded) {
  std::string recipe;
  llvm::raw_string_ostream os(recipe);
  os << '/' << kernel.columns() << '/' << kernel.lanes << '/'
     << kernel.dot.group << '/' << kernel.dot.elementBits << '/'
     << kernel.dot.isRhsSigned << '/' << isFlipped << '/'
     << kernel.dot.usesTiles << '/' << kernel.dot.hasWideWords << '/'
     << isRounded << '/' << kernel.dot.takesFloats << '/'
     << global.getType().getElementTypeBitWidth();
  auto print = [&](char separator, ArrayRef<StridedDim> dims) {
    for (auto [size, stride] : dims)
      os << separator << size << 'x' << stride;
  };
  print(',', weights.outer);
  print(';', weights.k);
  print(',', weights.n);
  os << ';' << weights.elements << '/' << weights.segment;
  memref::GlobalOp &known = packed[(global.getSymName() + recipe).str()];
  if (known)
    return known;

  std::optional<ArrayRef<char>> bytes =
      getBytes(cast<ElementsAttr>(*global.getInitialValue()));
  if (!bytes)
    return nullptr;
  Type element = global.getType().getElementType();
  if (isRounded)
    element = BFloat16Type::get(module.getContext());
  unsigned width = element.getIntOrFloatBitWidth() / 8;
  // A group is stored as one integer.
  Type stored = element;
  if (kernel.dot)
    stored =
        IntegerType::get(module.getContext(), 8 * width * kernel.dot.group);
  int64_t columns = kernel.columns();
  int64_t total = llvm::divideCeil(weights.n.size, columns) *
                  PackedSource::getPanelSize(
                      kernel, int64_t(weights.getRowOffsets().size()));
  for (const StridedDim &dim : weights.outer)
    total *= dim.size;
  auto write = [bytes = *bytes, width, weights, kernel, isFlipped,
                isRounded](char *target) {
    writePanels(bytes, width, weights, kernel, isFlipped, isRounded, target);
  };
  std::string name = (global.getSymName() + "_packed").str();
  DenseResourceElementsHandle handle =
      addResource(getResource(global), name, *bytes, recipe,
                  total * stored.getIntOrFloatBitWidth() / 8, write);
  auto value = DenseResourceElementsAttr::get(
      RankedTensorType::get({total}, stored), handle);
  OpBuilder builder(global);
  auto result = memref::GlobalOp::create(
      builder, global.getLoc(), name, builder.getStringAttr("private"),
      MemRefType::get({total}, stored), value, /*constant=*/true,
      builder.getI64IntegerAttr(64));
  symbols.insert(result);
  return known = result;
}

FailureOr<WeightPacker::Matrices>
WeightPacker::getMatrices(KernelEmitter &e, const MatchedProduct &match) {
  if (!match.matrixOperand)
    return failure();
  auto argument = dyn_cast<BlockArgument>(match.matrixOperand->get());
  auto func = match.root->getParentOfType<func::FuncOp>();
  if (!argument || argument.getOwner() != &func.getBody().front() ||
      !func.isPrivate())
    return failure();
  // The kernel must not use the matrix in another way.
  for (Operation *user : argument.getUsers())
    if (user != match.root && !isa<memref::ReinterpretCastOp>(user))
      return failure();
  const GemmProblem &p = match.problem;
  Matrices result{func, argument.getArgNumber(), {}, {}};
  auto addDim = [&](SmallVector<StridedDim> &dims, Value size, Value stride) {
    auto s = e.asConstant(size), t = e.asConstant(stride);
    if (s && t)
      dims.push_back({*s, *t});
    return s && t;
  };
  WeightColumns &weights = result.weights;
  for (auto [size, stride] : llvm::zip(p.outerSizes, match.b.outerStrides))
    if (!e.isConstant(stride, 0) && !addDim(weights.outer, size, stride))
      return failure();
  SmallVector<StridedDim> columns;
  if (!addDim(columns, p.n, match.b.columnStride))
    return failure();
  weights.n = columns.front();
  weights.k = match.filterDims;
  if (p.lines) {
    weights.elements = p.lines->elements;
    weights.segment = p.lines->segment;
  }
  if (weights.k.empty() && !addDim(weights.k, p.k, match.b.rowStride))
    return failure();

  for (func::CallOp call : calls[func.getSymNameAttr()]) {
    memref::GlobalOp global =
        getConstant(call.getOperand(result.argument), symbols);
    if (!global || !getBytes(cast<ElementsAttr>(*global.getInitialValue())))
      return failure();
    result.globals.push_back(global);
  }
  if (result.globals.empty())
    return failure();
  return result;
}

std::optional<WordCount> WeightPacker::countWords(KernelEmitter &e,
                                                  const MatchedProduct &match) {
  FailureOr<Matrices> matrices = getMatrices(e, match);
  if (failed(matrices))
    return std::nullopt;
  WordCount count;
  llvm::SmallPtrSet<Operation *, 4> seen;
  for (memref::GlobalOp global : matrices->globals) {
    if (!seen.insert(global).second)
      continue;
    forEachPanel(*getBytes(cast<ElementsAttr>(*global.getInitialValue())),
                 /*width=*/1, matrices->weights, match.kernel,
                 [&](const PanelSource &source, int64_t first) {
                   count +=
                       quantc::countWords(source, first, match.kernel,
                                          match.problem.quantizedB.isFlipped);
                 });
  }
  return count;
}

bool WeightPacker::pack(KernelEmitter &e, MatchedProduct &match) {
  FailureOr<Matrices> matrices = getMatrices(e, match);
  if (failed(matrices))
    return false;
  GemmProblem &p = match.problem;
  auto &[func, number, globals, weights] = *matrices;
  // What the kernel would round is stored so.
  Value rounded = getRounded(p.factorB);
  memref::GlobalOp last;
  for (auto [call, global] : llvm::zip(calls[func.getSymNameAttr()], globals)) {
    last = getPacked(global, weights, match.kernel, p.quantizedB.isFlipped,
                     /*isRounded=*/bool(rounded));
    OpBuilder builder(call);
    Value packedWeights = memref::GetGlobalOp::create(
        builder, call.getLoc(), last.getType(), last.getSymName());
    Value original = call.getOperand(number);
    call.setOperand(number, packedWeights);
    eraseUnused(original);
  }

  // Strides of whole packed matrices.
  int64_t depth = int64_t(weights.getRowOffsets().size());
  int64_t stride = llvm::divideCeil(weights.n.size, match.kernel.columns()) *
                   PackedSource::getPanelSize(match.kernel, depth);
  SmallVector<Value> packedStrides;
  int64_t next = weights.outer.size();
  for (unsigned i = p.outerSizes.size(); i-- > 0;) {
    if (e.isConstant(match.b.outerStrides[i], 0)) {
      packedStrides.push_back(e.index(0));
      continue;
    }
    packedStrides.push_back(e.index(stride));
    stride *= weights.outer[--next].size;
  }
  std::reverse(packedStrides.begin(), packedStrides.end());
  BlockArgument matrix = func.getArgument(number);
  // Views of the matrix as it was.
  for (Operation *user : llvm::make_early_inc_range(matrix.getUsers()))
    if (isa<memref::ReinterpretCastOp>(user) && user->use_empty())
      user->erase();
  matrix.setType(last.getType());
  SmallVector<Type> types(func.getArgumentTypes());
  types[number] = last.getType();
  func.setFunctionType(e.b.getFunctionType(types, {}));
  if (rounded)
    p.factorB.element = rounded;
  match.columns = std::make_unique<PackedSource>(
      e, StridedMatrix{matrix, packedStrides, {}, {}}, p.n, depth,
      match.kernel);
  return true;
}

FailureOr<SmallVector<memref::GlobalOp>>
WeightPacker::getConstants(func::FuncOp func, BlockArgument argument,
                           Operation *user) {
  if (!argument || argument.getOwner() != &func.getBody().front() ||
      !func.isPrivate() || !llvm::all_equal(argument.getUsers()) ||
      *argument.getUsers().begin() != user)
    return failure();
  SmallVector<memref::GlobalOp> globals;
  for (func::CallOp call : calls[func.getSymNameAttr()]) {
    memref::GlobalOp global =
        getConstant(call.getOperand(argument.getArgNumber()), symbols);
    if (!global)
      return failure();
    globals.push_back(global);
  }
  if (globals.empty())
    return failure();
  return globals;
}

void WeightPacker::setConstants(
    func::FuncOp func, unsigned argument, ArrayRef<memref::GlobalOp> globals,
    Type element, StringRef suffix,
    llvm::function_ref<std::vector<char>(memref::GlobalOp)> pack) {
  SmallVector<std::string> suffixes(globals.size(), suffix.str());
  setConstants(func, argument, globals, element, suffixes,
               [&](size_t i) { return pack(globals[i]); });
}

void WeightPacker::setConstants(
    func::FuncOp func, unsigned argument, ArrayRef<memref::GlobalOp> globals,
    Type element, ArrayRef<std::string> suffixes,
    llvm::function_ref<std::vector<char>(size_t)> pack) {
  memref::GlobalOp last;
  for (auto [i, call] : llvm::enumerate(calls[func.getSymNameAttr()])) {
    memref::GlobalOp global = globals[i];
    const std::string &suffix = suffixes[i];
    memref::GlobalOp &known =
        packed[(global.getSymName() + "/" + suffix).str()];
    if (!known) {
      std::vector<char> bytes = pack(i);
      int64_t count = bytes.size() / (element.getIntOrFloatBitWidth() / 8);
      std::string name = (global.getSymName() + "_" + suffix).str();
      auto handle =
          DenseResourceElementsHandle::getManagerInterface(module.getContext())
              .insert(name, HeapAsmResourceBlob::allocateAndCopyWithAlign(
                                bytes, 64, /*dataIsMutable=*/false));
      OpBuilder builder(global);
      auto type = MemRefType::get({count}, element);
      known = memref::GlobalOp::create(
          builder, global.getLoc(), name, builder.getStringAttr("private"),
          type,
          DenseResourceElementsAttr::get(
              RankedTensorType::get({count}, element), handle),
          /*constant=*/true, builder.getI64IntegerAttr(64));
      symbols.insert(known);
    }
    last = known;
    OpBuilder builder(call);
    Value original = call.getOperand(argument);
    call.setOperand(argument, memref::GetGlobalOp::create(
                                  builder, call.getLoc(), last.getType(),
                                  last.getSymName()));
    eraseUnused(original);
  }
  func.getArgument(argument).setType(last.getType());
  SmallVector<Type> types(func.getArgumentTypes());
  types[argument] = last.getType();
  func.setFunctionType(FunctionType::get(func.getContext(), types, {}));
}

static std::optional<ArrayRef<char>> bytesOf(memref::GlobalOp global) {
  return WeightPacker::getBytes(cast<ElementsAttr>(*global.getInitialValue()));
}

/// The left-hand side of `match` as matrices of known sizes and strides, and
/// how many of them each outer loop steps.
static std::optional<std::pair<WeightRows, SmallVector<int64_t>>>
getWeightRows(KernelEmitter &e, const MatchedProduct &match) {
  const GemmProblem &p = match.problem;
  WeightRows rows;
  auto set = [&](int64_t &target, Value value) {
    std::optional<int64_t> constant = e.asConstant(value);
    target = constant.value_or(0);
    return constant.has_value();
  };
  if (!set(rows.m, p.m) || !set(rows.k, p.k) ||
      !set(rows.rowStride, p.a.rowStride) ||
      !set(rows.columnStride, p.a.columnStride))
    return std::nullopt;
  rows.isFlipped = p.quantizedA.isFlipped;
  rows.group = match.kernel.dot.group;
  rows.isSigned = match.kernel.dot.isLhsSigned;
  rows.sumsPairs = match.kernel.dot.sumsPairs;
  rows.starts = {0};
  SmallVector<int64_t> strides(p.outerSizes.size(), 0);
  for (unsigned i = p.outerSizes.size(); i-- > 0;) {
    if (e.isConstant(p.a.outerStrides[i], 0))
      continue;
    int64_t size, stride;
    if (!set(size, p.outerSizes[i]) || !set(stride, p.a.outerStrides[i]))
      return std::nullopt;
    strides[i] = rows.numMatrices;
    rows.numMatrices *= size;
    SmallVector<int64_t> starts;
    for (int64_t j = 0; j < size; ++j)
      for (int64_t start : rows.starts)
        starts.push_back(j * stride + start);
    rows.starts = starts;
  }
  return std::make_pair(rows, strides);
}

std::optional<RowPanelCount> WeightPacker::packRows(KernelEmitter &e,
                                                    MatchedProduct &match,
                                                    std::optional<int64_t> taps,
                                                    double mostSplit) {
  auto argument = dyn_cast<BlockArgument>(match.rowsOperand->get());
  auto func = match.root->getParentOfType<func::FuncOp>();
  auto found = getWeightRows(e, match);
  if (!argument || !found || !func.isPrivate() ||
      argument.getOwner() != &func.getBody().front())
    return std::nullopt;
  // Views that nothing was read from yet are none the less there.
  SmallVector<Operation *> views;
  for (Operation *user : argument.getUsers()) {
    if (isa<memref::ReinterpretCastOp>(user) && user->use_empty())
      views.push_back(user);
    else if (user != match.root)
      return std::nullopt;
  }
  SmallVector<memref::GlobalOp> globals;
  for (func::CallOp call : calls[func.getSymNameAttr()])
    globals.push_back(
        getConstant(call.getOperand(argument.getArgNumber()), symbols));
  if (globals.empty() || !llvm::all_of(globals, [](memref::GlobalOp global) {
        return global && bytesOf(global);
      }))
    return std::nullopt;
  WeightRows rows = found->first;
  rows.taps = taps.value_or(1);
  int64_t panelRows = match.kernel.rows;
  // Weights that a kernel is called with have an order each, or all have none.
  llvm::DenseMap<Operation *, WeightRows> ordered;
  auto getRows = [&](memref::GlobalOp global) -> const WeightRows & {
    auto own = ordered.find(global);
    return own == ordered.end() ? rows : own->second;
  };
  auto countAll = [&] {
    RowPanelCount count;
    for (memref::GlobalOp global : globals) {
      RowPanelCount own =
          countRowPanels(*bytesOf(global), getRows(global), panelRows);
      count.words += own.words;
      count.splitWords += own.splitWords;
      count.size = std::max(count.size, own.size);
    }
    return count;
  };
  RowPanelCount count = countAll();
  if (taps && count.splitWords && rows.numMatrices == 1) {
    for (memref::GlobalOp global : globals) {
      auto [place, isNew] = ordered.try_emplace(global, rows);
      if (isNew)
        place->second.channelOrder =
            chooseChannelOrder(*bytesOf(global), rows, panelRows);
    }
    count = countAll();
  }
  count.isPacked = count.splitWords <= mostSplit * count.words;
  if (!count.isPacked)
    return count;
  for (Operation *view : views)
    view->erase();
  std::string suffix =
      "rows" + std::to_string(panelRows) + "x" + std::to_string(rows.k) + "by" +
      std::to_string(rows.taps) + "of" + std::to_string(rows.numMatrices) +
      "in" + std::to_string(count.size) + (rows.isFlipped ? "flipped" : "") +
      (rows.sumsPairs    ? "pairs"
       : rows.group == 1 ? "floats"
                         : "") +
      (ordered.empty() ? "" : "ordered");
  setConstants(func, argument.getArgNumber(), globals, e.b.getI32Type(), suffix,
               [&](memref::GlobalOp global) {
                 return packRowPanels(*bytesOf(global), getRows(global),
                                      panelRows, count.size);
               });
  match.problem.rowPanels = std::make_shared<RowPanels>(
      argument, found->second, getRows(globals.front()), panelRows);
  return count;
}
