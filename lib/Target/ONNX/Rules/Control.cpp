//===- Control.cpp - If, Loop and Scan ------------------------------------===//
//
// They become scf.if, scf.for and scf.while on tensors.
//
//===----------------------------------------------------------------------===//

#include "../LoopBuilder.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/SCF/IR/SCF.h"

using namespace mlir;
using namespace quantc;
using namespace quantc::onnx_import;

//===- If -----------------------------------------------------------------===//

/// Branches whose results differ in rank: PyTorch exports `squeeze` of a
/// dynamic dimension as `if dim == 1 then squeeze(x) else x`. What follows
/// expects one of the ranks (the first, unless the model declares it), so that
/// branch is taken, and it is an error of the run if the condition says
/// otherwise.
static LogicalResult importOneBranch(NodeContext &ctx, Value condition,
                                     ArrayRef<onnx::GraphProto *> graphs) {
  auto declared = ctx.outputType(0);
  auto second = ctx.graphOutputType(*graphs[1], 0);
  bool takesSecond =
      declared && second && declared.getRank() == second.getRank();
  if (takesSecond) {
    Value yes = arith::ConstantOp::create(ctx.builder, ctx.loc,
                                          ctx.builder.getBoolAttr(true));
    condition = arith::XOrIOp::create(ctx.builder, ctx.loc, condition, yes);
  }
  assertWhenRun(ctx, condition,
                " (If): the branch to take gives another rank "
                "than what follows expects");
  SmallVector<Value> results;
  if (failed(ctx.importGraph(*graphs[takesSecond],
                             ctx.builder.getInsertionBlock(), {}, results)))
    return failure();
  return ctx.setOutputs(results);
}

/// Where one branch gives a number and the other a list of one, both become the
/// latter: they broadcast in the same way.
static void unifySingleElements(NodeContext &ctx, Value &a, Block *blockA,
                                Value &b, Block *blockB) {
  auto typeA = cast<RankedTensorType>(a.getType());
  auto typeB = cast<RankedTensorType>(b.getType());
  auto isSingle = [](RankedTensorType type) {
    return type.hasStaticShape() && type.getNumElements() == 1;
  };
  if (typeA.getRank() == typeB.getRank() || !isSingle(typeA) ||
      !isSingle(typeB))
    return;
  OpBuilder::InsertionGuard guard(ctx.builder);
  if (typeA.getRank() < typeB.getRank()) {
    ctx.builder.setInsertionPointToEnd(blockA);
    a = ctx.reshape(a, typeB.getShape());
  } else {
    ctx.builder.setInsertionPointToEnd(blockB);
    b = ctx.reshape(b, typeA.getShape());
  }
}

static LogicalResult importIf(NodeContext &ctx) {
  onnx::GraphProto *graphs[] = {ctx.getGraph("then_branch"),
                                ctx.getGraph("else_branch")};
  if (!graphs[0] || !graphs[1])
    return failure();
  if (auto condition = ctx.constantInts(0);
      condition && condition->size() == 1) {
    SmallVector<Value> results;
    if (failed(ctx.importGraph(*graphs[(*condition)[0] ? 0 : 1],
                               ctx.builder.getInsertionBlock(), {}, results)))
      return failure();
    return results.empty() ? success() : ctx.setOutputs(results);
  }
  Value condition = extractScalar(ctx, ctx.input(0));
  if (!condition)
    return failure();
  OperationState state(ctx.loc, scf::IfOp::getOperationName());
  state.addOperands(condition);
  SmallVector<Value> results[2];
  Block *blocks[2];
  for (int i : {0, 1}) {
    blocks[i] = &state.addRegion()->emplaceBlock();
    if (failed(ctx.importGraph(*graphs[i], blocks[i], {}, results[i])))
      return failure();
  }
  if (results[0].size() != results[1].size())
    return ctx.emitError("its branches differ in their number of outputs");
  for (auto [a, b] : llvm::zip(results[0], results[1])) {
    if (!a || !b)
      return ctx.emitError("a branch leaves out an output");
    unifySingleElements(ctx, a, blocks[0], b, blocks[1]);
    auto type = joinTypes(cast<RankedTensorType>(a.getType()),
                          cast<RankedTensorType>(b.getType()));
    if (!type)
      return importOneBranch(ctx, condition, graphs);
    state.addTypes(type);
  }
  for (int i : {0, 1}) {
    OpBuilder::InsertionGuard guard(ctx.builder);
    ctx.builder.setInsertionPointToEnd(blocks[i]);
    for (auto [value, type] : llvm::zip(results[i], state.types))
      value = castTensor(ctx, value, type);
    scf::YieldOp::create(ctx.builder, ctx.loc, results[i]);
  }
  Operation *op = ctx.builder.create(state);
  return op->getNumResults() ? ctx.setOutputs(op->getResults()) : success();
}

//===- Loop ---------------------------------------------------------------===//

/// How often a name is read in `graph` and those in its nodes.
static unsigned countUses(const onnx::GraphProto &graph, StringRef name) {
  unsigned count = 0;
  for (const onnx::NodeProto &node : graph.node()) {
    count += llvm::count(node.input(), name);
    for (const onnx::AttributeProto &attr : node.attribute())
      if (attr.has_g())
        count += countUses(attr.g(), name);
  }
  for (const onnx::ValueInfoProto &output : graph.output())
    count += output.name() == name;
  return count;
}

/// The body of a loop that carries `sequences` (by number) and appends an
/// element to each of them in each iteration: a copy that carries none of them,
/// and gives their elements as its last outputs. Null, with an error, if it
/// does anything else with them.
static onnx::GraphProto *collectAppended(NodeContext &ctx,
                                         const onnx::GraphProto &body,
                                         ArrayRef<size_t> sequences) {
  onnx::GraphProto copy = body;
  for (size_t i : sequences) {
    const std::string &before = body.input(2 + i).name();
    const std::string &after = body.output(1 + i).name();
    auto *nodes = copy.mutable_node();
    auto append = llvm::find_if(*nodes, [&](const onnx::NodeProto &node) {
      return node.op_type() == "SequenceInsert" &&
             (node.input_size() == 2 ||
              (node.input_size() == 3 && node.input(2).empty())) &&
             node.input(0) == before && node.output(0) == after;
    });
    if (append == nodes->end() || countUses(body, before) != 1 ||
        countUses(body, after) != 1) {
      (void)ctx.emitError("its sequence '" + Twine(before) +
                          "' must get one element at its end in each "
                          "iteration, and be read behind the loop only");
      return nullptr;
    }
    copy.add_output()->set_name(append->input(1));
    nodes->erase(append);
  }
  for (size_t i : llvm::reverse(sequences)) {
    copy.mutable_input()->DeleteSubrange(2 + i, 1);
    copy.mutable_output()->DeleteSubrange(1 + i, 1);
  }
  return &ctx.keepGraph(std::move(copy));
}

/// What is in sequence input `i`, then `appended`, along the first dimension.
static Value joinSequence(NodeContext &ctx, size_t i, Value appended) {
  SmallVector<Value> parts;
  if (Value stack = ctx.stack(i))
    parts.push_back(stack);
  else
    for (Value element : *ctx.sequence(i))
      parts.push_back(ctx.create<qnn::UnsqueezeOp>(element, ctx.i64List(0)));
  if (parts.empty())
    return appended;
  parts.push_back(appended);
  return ctx.create<qnn::ConcatOp>(parts, ctx.builder.getI64IntegerAttr(0));
}

static LogicalResult importLoop(NodeContext &ctx) {
  onnx::GraphProto *graph = ctx.getGraph("body");
  if (!graph)
    return failure();
  size_t numCarried = ctx.numInputs() > 2 ? ctx.numInputs() - 2 : 0;
  if (size_t(graph->input_size()) != numCarried + 2 ||
      size_t(graph->output_size()) < numCarried + 1)
    return ctx.emitError("its body does not have the inputs and outputs that "
                         "its initial values ask for");
  SmallVector<size_t> tensors, sequences;
  for (size_t i = 0; i < ctx.numInputs(); ++i) {
    bool isSequence = i >= 2 && ctx.isSequence(i);
    if (!isSequence && (ctx.isSequence(i) || ctx.isNone(i) || ctx.isString(i)))
      return ctx.emitError("its input '" + ctx.inputName(i) +
                           "' is a sequence, an empty optional or a string, "
                           "which it does not take here");
    if (i >= 2)
      (isSequence ? sequences : tensors).push_back(i - 2);
  }
  if (!sequences.empty() && !(graph = collectAppended(ctx, *graph, sequences)))
    return failure();
  LoopBuilder loop(ctx);
  loop.tripCount = ctx.input(0);
  loop.condition = ctx.input(1);
  for (size_t i : tensors)
    loop.init.push_back(ctx.input(2 + i));
  loop.collected.resize(graph->output_size() - 1 - tensors.size());
  loop.body = [&](Block *block, Value iteration, Value condition,
                  ValueRange carried, SmallVectorImpl<Value> &results) {
    SmallVector<Value> args = {iteration, condition};
    llvm::append_range(args, carried);
    return ctx.importGraph(*graph, block, args, results);
  };
  auto results = loop.build();
  if (failed(results))
    return failure();
  if (sequences.empty())
    return results->empty() ? success() : ctx.setOutputs(*results);
  // What is carried, then what is collected, of which sequences are the last.
  ArrayRef<Value> carried = ArrayRef(*results).take_front(tensors.size());
  ArrayRef<Value> scanned =
      ArrayRef(*results).drop_front(tensors.size()).drop_back(sequences.size());
  ArrayRef<Value> appended = ArrayRef(*results).take_back(sequences.size());
  for (auto [i, value] : llvm::zip(tensors, carried))
    if (failed(ctx.setOutput(i, value)))
      return failure();
  for (auto [i, value] : llvm::enumerate(scanned))
    if (failed(ctx.setOutput(numCarried + i, value)))
      return failure();
  for (auto [i, value] : llvm::zip(sequences, appended))
    if (failed(ctx.setStack(i, joinSequence(ctx, 2 + i, value))))
      return failure();
  return success();
}

//===- Scan ---------------------------------------------------------------===//

namespace {
/// Where a Scan node's inputs and outputs are scanned.
struct ScanInfo {
  onnx::GraphProto *graph = nullptr;
  size_t numStates = 0, numInputs = 0, numOutputs = 0;
  SmallVector<int64_t> inputAxes, inputDirections, outputAxes, outputDirections;
};
} // namespace

static Value scanExtent(NodeContext &ctx, Value x, int64_t axis) {
  return ctx.reshape(
      ctx.create<qnn::ShapeOp>(x, ctx.builder.getI64IntegerAttr(axis),
                               ctx.builder.getI64IntegerAttr(axis + 1)),
      {});
}

static Value takeAt(NodeContext &ctx, Value x, Value index, int64_t axis) {
  return ctx.create<qnn::GatherOp>(x, index,
                                   ctx.builder.getI64IntegerAttr(axis));
}

/// The loop over the scanned axis.
static FailureOr<SmallVector<Value>> buildScan(NodeContext &ctx,
                                               const ScanInfo &info,
                                               ValueRange states,
                                               ValueRange inputs) {
  SmallVector<int64_t> axes;
  for (auto [i, input] : llvm::enumerate(inputs)) {
    auto axis = qnn::normalizeAxis(
        info.inputAxes[i], cast<RankedTensorType>(input.getType()).getRank());
    if (!axis)
      return ctx.emitError("an input's scan axis is out of range");
    axes.push_back(*axis);
  }
  if (inputs.empty())
    return ctx.emitError("it scans no input");
  LoopBuilder loop(ctx);
  loop.tripCount = scanExtent(ctx, inputs[0], axes[0]);
  if (!loop.tripCount)
    return failure();
  loop.init.assign(states.begin(), states.end());
  for (size_t i = 0; i < info.numOutputs; ++i)
    loop.collected.push_back(
        {info.outputAxes[i], info.outputDirections[i] != 0, {}});
  loop.body = [&](Block *block, Value iteration, Value, ValueRange carried,
                  SmallVectorImpl<Value> &results) -> LogicalResult {
    SmallVector<Value> args(carried);
    for (auto [i, input] : llvm::enumerate(inputs)) {
      Value index = iteration;
      if (info.inputDirections[i])
        index = ctx.binary(
            qnn::BinaryKind::sub,
            ctx.binary(qnn::BinaryKind::sub, loop.tripCount, ctx.i64Scalar(1)),
            iteration);
      args.push_back(takeAt(ctx, input, index, axes[i]));
    }
    if (llvm::is_contained(args, Value()))
      return failure();
    results.push_back({});
    return ctx.importGraph(*info.graph, block, args, results);
  };
  return loop.build();
}

static LogicalResult importScan(NodeContext &ctx) {
  ScanInfo info;
  info.graph = ctx.getGraph("body");
  if (!info.graph)
    return failure();
  bool isBatched = ctx.opset < 9;
  size_t first = isBatched ? 1 : 0;
  int64_t numInputs = ctx.getInt("num_scan_inputs");
  int64_t numStates = int64_t(ctx.numInputs() - first) - numInputs;
  if (isBatched && ctx.hasInput(0))
    return ctx.emitError("sequence lengths are not supported");
  if (numInputs < 0 || numStates < 0 ||
      info.graph->input_size() != numInputs + numStates ||
      info.graph->output_size() < numStates)
    return ctx.emitError("its body does not have the inputs and outputs that "
                         "num_scan_inputs asks for");
  info.numStates = numStates;
  info.numInputs = numInputs;
  info.numOutputs = info.graph->output_size() - numStates;
  auto list = [&](StringRef name, size_t count) {
    return ctx.getInts(name, SmallVector<int64_t>(count, 0));
  };
  info.inputDirections =
      list(isBatched ? "directions" : "scan_input_directions", numInputs);
  info.inputAxes = list("scan_input_axes", numInputs);
  info.outputDirections = list("scan_output_directions", info.numOutputs);
  info.outputAxes = list("scan_output_axes", info.numOutputs);
  if (info.inputDirections.size() != info.numInputs ||
      info.inputAxes.size() != info.numInputs ||
      info.outputDirections.size() != info.numOutputs ||
      info.outputAxes.size() != info.numOutputs)
    return ctx.emitError("the length of its axes or directions is wrong");

  auto inputs = ctx.inputs().drop_front(first);
  auto states = inputs.take_front(numStates);
  auto scanned = inputs.drop_front(numStates);
  if (!isBatched) {
    auto results = buildScan(ctx, info, states, scanned);
    return failed(results) ? failure() : ctx.setOutputs(*results);
  }
  // One scan for each element of the batch.
  LoopBuilder batch(ctx);
  batch.tripCount = scanExtent(ctx, scanned[0], 0);
  batch.collected.resize(info.numStates + info.numOutputs);
  batch.body = [&](Block *, Value element, Value, ValueRange,
                   SmallVectorImpl<Value> &results) -> LogicalResult {
    auto takeAll = [&](ArrayRef<Value> values) {
      SmallVector<Value> taken;
      for (Value v : values)
        taken.push_back(takeAt(ctx, v, element, 0));
      return taken;
    };
    SmallVector<Value> elementStates = takeAll(states),
                       elementInputs = takeAll(scanned);
    if (ctx.hasFailed())
      return failure();
    auto inner = buildScan(ctx, info, elementStates, elementInputs);
    if (failed(inner))
      return failure();
    results.push_back({});
    llvm::append_range(results, *inner);
    return success();
  };
  auto results = batch.build();
  return failed(results) ? failure() : ctx.setOutputs(*results);
}

void quantc::onnx_import::registerControlRules(RuleRegistry &registry) {
  registry.add(kOnnx, "If", 1, importIf);
  registry.add(kOnnx, "Loop", 1, importLoop);
  registry.allowSequences(kOnnx, "Loop");
  registry.add(kOnnx, "Scan", 8, importScan);
}
