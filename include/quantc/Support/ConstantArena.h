//===- ConstantArena.h - Memory for large constants -------------*- C++ -*-===//

#ifndef QUANTC_SUPPORT_CONSTANTARENA_H
#define QUANTC_SUPPORT_CONSTANTARENA_H

#include "mlir/IR/AsmState.h"

#include <memory>

namespace quantc {

/// Places constants one behind the other in memory of huge pages. By pages of
/// 4 KB, the system takes longer to hand out memory than we take to write it.
class ConstantArena {
public:
  /// `size` bytes that nothing was written to yet, aligned for any vector.
  /// Their pages go back to the system with the blob.
  mlir::AsmResourceBlob allocate(size_t size);

private:
  struct Slab;
  std::shared_ptr<Slab> slab;
};

} // namespace quantc

#endif // QUANTC_SUPPORT_CONSTANTARENA_H
