//===- ImportTest.cpp - Where the importer reads weights ------------------===//

#include "quantc/Target/ONNX/Import.h"

#include "quantc/Dialect/QNN/IR/QNN.h"

#include "mlir/IR/AsmState.h"
#include "mlir/IR/DialectResourceBlobManager.h"
#include "onnx/onnx_pb.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/FileUtilities.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>

using namespace quantc;

static constexpr int64_t kRows = 64;

/// y = x · w, where all weights are `weight`.
static void writeModel(llvm::StringRef path, float weight) {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(17);
  onnx::GraphProto &graph = *model.mutable_graph();
  graph.set_name("g");
  onnx::NodeProto &node = *graph.add_node();
  node.set_op_type("MatMul");
  node.add_input("x");
  node.add_input("w");
  node.add_output("y");
  for (auto *value : {graph.add_input(), graph.add_output()}) {
    value->set_name(value == &graph.input(0) ? "x" : "y");
    auto *type = value->mutable_type()->mutable_tensor_type();
    type->set_elem_type(onnx::TensorProto::FLOAT);
    for (int i = 0; i < 2; ++i)
      type->mutable_shape()->add_dim()->set_dim_value(kRows);
  }
  onnx::TensorProto &weights = *graph.add_initializer();
  weights.set_name("w");
  weights.set_data_type(onnx::TensorProto::FLOAT);
  weights.add_dims(kRows);
  weights.add_dims(kRows);
  std::vector<float> values(kRows * kRows, weight);
  weights.set_raw_data(values.data(), values.size() * sizeof(float));
  std::error_code error;
  llvm::raw_fd_ostream stream(path, error);
  ASSERT_FALSE(error);
  stream << model.SerializeAsString();
}

TEST(Import, ModelIsReplacedMeanwhile) {
  llvm::SmallString<128> path, other;
  ASSERT_FALSE(llvm::sys::fs::createTemporaryFile("model", "onnx", path));
  ASSERT_FALSE(llvm::sys::fs::createTemporaryFile("other", "onnx", other));
  llvm::FileRemover removePath(path), removeOther(other);
  writeModel(path, 1);
  writeModel(other, 2);

  mlir::MLIRContext context;
  onnx_import::ImportOptions options;
  bool isReplaced = false;
  options.progress = [&](llvm::StringRef, size_t, size_t) {
    isReplaced = isReplaced || !llvm::sys::fs::rename(other, path);
  };
  mlir::OwningOpRef<mlir::ModuleOp> module =
      onnx_import::importONNX(path, options, context);
  ASSERT_TRUE(module);
  EXPECT_TRUE(isReplaced);
  int numConstants = 0;
  module->walk([&](qnn::ConstantOp op) {
    auto elements = llvm::cast<mlir::DenseResourceElementsAttr>(op.getValue());
    llvm::ArrayRef<float> values(
        reinterpret_cast<const float *>(elements.getData().data()),
        elements.getNumElements());
    EXPECT_TRUE(llvm::all_of(values, [](float value) { return value == 1; }));
    ++numConstants;
  });
  EXPECT_EQ(numConstants, 1);
}
