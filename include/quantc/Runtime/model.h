/*===- model.h - The C interface of a compiled model ----------------------===*\
|*
|* A library compiled by quantc exports the functions at the end of this file.
|* Tensors are DLPack's. The file stands alone: it is C99 and C++, and works
|* with or without DLPack's own header (include that one first).
|*
\*===----------------------------------------------------------------------===*/
#ifndef QUANTC_TYPES_H
#define QUANTC_TYPES_H

#include <stddef.h>
#include <stdint.h>

/* The part of DLPack that a CPU tensor needs, binary compatible with it. */
#ifndef DLPACK_DLPACK_H_
#define DLPACK_DLPACK_H_
typedef enum { kDLCPU = 1 } DLDeviceType;
typedef struct {
  int32_t device_type;
  int32_t device_id;
} DLDevice;
typedef enum {
  kDLInt = 0,
  kDLUInt = 1,
  kDLFloat = 2,
  kDLBfloat = 4
} DLDataTypeCode;
typedef struct {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
} DLDataType;
typedef struct {
  void *data;
  DLDevice device;
  int32_t ndim;
  DLDataType dtype;
  int64_t *shape;
  int64_t *strides; /* in elements; NULL: row-major and contiguous */
  uint64_t byte_offset;
} DLTensor;
typedef struct DLManagedTensor {
  DLTensor dl_tensor;
  void *manager_ctx;
  void (*deleter)(struct DLManagedTensor *self);
} DLManagedTensor;
#endif

/* Changes when a program built with an older header would no longer work. */
#define QUANTC_ABI_VERSION 1

/* What one input or output looks like. */
typedef struct QuantcTensorInfo {
  const char *name;
  /* "float32", "int64", "bool", "bfloat16", "float8_e4m3fn", "int4", ... */
  const char *element_type;
  /* How DLPack says it. Types below 8 bits use a byte for each element: "int4"
     and "uint4" are int8 and uint8. Inputs of bfloat16 and of the 8-bit floats
     may also come as unsigned integers with the same bits. */
  DLDataType dtype;
  int32_t ndim;
  const int64_t *shape;         /* -1: known at run time only */
  const char *const *dim_names; /* of dynamic dimensions; "" if nameless */
} QuantcTensorInfo;

/* A flag of a model: `input_is_state` is there (NULL without inputs). Libraries
   of before have no flags and no states. */
#define QUANTC_HAS_STATES 1u

typedef struct QuantcModelInfo {
  uint32_t abi_version;
  uint32_t flags;
  const char *name;
  const char *target;   /* the triple of the machine it was compiled for */
  const char *features; /* the CPU features it needs, separated by commas */
  uint64_t weight_bytes;
  uint64_t arena_bytes; /* scratch memory of one call; 0 if not known */
  size_t num_inputs;
  size_t num_outputs;
  const QuantcTensorInfo *inputs;
  const QuantcTensorInfo *outputs;
  /* For each input whether it is a state: a buffer that the run writes to, and
     that nobody else may use meanwhile. It must be contiguous and aligned to
     its elements. */
  const uint8_t *input_is_state;
} QuantcModelInfo;

/* All functions of a model in one table. Each library exports it under the name
   `quantc_interface`, so that a program which opens libraries at run time need
   not know their prefixes. */
typedef struct QuantcInterface {
  uint32_t abi_version;
  uint32_t reserved;
  const QuantcModelInfo *(*info)(void);
  int32_t (*run)(const DLTensor *const *inputs, size_t num_inputs,
                 DLManagedTensor **outputs, size_t num_outputs);
  const char *(*last_error)(void);
  void (*set_num_threads)(int32_t num_threads);
} QuantcInterface;

/* One place in the model that calls a kernel. */
typedef struct QuantcKernelInfo {
  const char *nodes;      /* the ONNX nodes it computes, separated by " + " */
  const char *kernel;     /* equal places share a kernel */
  const char *operations; /* what is counted: "f32", "int8", ...; "" if none */
} QuantcKernelInfo;

/* Sums over all calls since the library was loaded. */
typedef struct QuantcKernelCounters {
  uint64_t calls;
  uint64_t nanoseconds;
  uint64_t operations; /* a multiplication and an addition are two */
  uint64_t bytes;      /* each operand and result once */
} QuantcKernelCounters;

/* In a library that was compiled with --profile, which also exports it under
   the name `quantc_profile`. The counters only grow: compare two readings. */
typedef struct QuantcProfile {
  uint32_t abi_version;
  uint32_t reserved;
  size_t num_kernels;
  const QuantcKernelInfo *kernels;
  const QuantcKernelCounters *counters;
} QuantcProfile;

#endif /* QUANTC_TYPES_H */

#ifndef QUANTC_MODEL_H
#define QUANTC_MODEL_H
#ifdef __cplusplus
extern "C" {
#endif

/* Describes the model; the result is valid as long as the library is loaded. */
const QuantcModelInfo *quantc_model_info(void);

/* Runs the model. The inputs come in the order of `quantc_model_info` and stay
   the caller's; they may be strided, and are copied if they are. On success (0)
   the outputs are new tensors that the caller frees through their `deleter`; on
   failure no output is set, and `quantc_model_last_error` says why.
   Any number of threads may be inside this function at a time. */
int32_t quantc_model_run(const DLTensor *const *inputs, size_t num_inputs,
                         DLManagedTensor **outputs, size_t num_outputs);

/* What went wrong in this thread's last failed call; "" if none has failed. */
const char *quantc_model_last_error(void);

/* How many threads later calls from this thread use (0: all processors). */
void quantc_model_set_num_threads(int32_t num_threads);

/* The counters of the model's kernels; NULL without --profile. */
const QuantcProfile *quantc_model_profile(void);

#ifdef __cplusplus
}
#endif
#endif /* QUANTC_MODEL_H */
