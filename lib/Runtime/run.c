/*===- run.c - One call of a model: checks, descriptors, results ----------===*/

#include "internal.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
  DL_INT = 0,
  DL_UINT = 1,
  DL_BFLOAT = 4,
  DL_BOOL = 6,
  DL_FLOAT8_FIRST = 7,
  DL_CPU = 1
};

/* A ranked memref descriptor of any rank: these three words, the sizes, then
   the strides. */
struct descriptor {
  void *allocated;
  void *aligned;
  int64_t offset;
  int64_t sizes_and_strides[];
};

static size_t descriptor_bytes(int32_t rank) {
  return sizeof(struct descriptor) + 2 * (size_t)rank * sizeof(int64_t);
}

/* Room for a part of an error message, which ends where it is full. */
struct text {
  char *next;
  char bytes[256];
};

static void put(struct text *text, const char *bytes) {
  while (*bytes && text->next < text->bytes + sizeof(text->bytes) - 1)
    *text->next++ = *bytes++;
  *text->next = 0;
}

static void put_number(struct text *text, uint64_t number) {
  char digits[24], *first = digits + sizeof(digits) - 1;
  *first = 0;
  do
    *--first = (char)('0' + number % 10);
  while (number /= 10);
  put(text, first);
}

/* Writes "float32". */
static const char *dtype_name(DLDataType type, struct text *text) {
  static const char *const names[] = {"int",    "uint",    "float", "handle",
                                      "bfloat", "complex", "bool"};
  text->next = text->bytes;
  if (type.code < sizeof(names) / sizeof(names[0]) && type.lanes == 1) {
    put(text, names[type.code]);
    if (type.code != DL_BOOL)
      put_number(text, type.bits);
    return text->bytes;
  }
  put(text, "dtype(code=");
  put_number(text, type.code);
  put(text, ", bits=");
  put_number(text, type.bits);
  put(text, ", lanes=");
  put_number(text, type.lanes);
  put(text, ")");
  return text->bytes;
}

static bool same_dtype(DLDataType expected, DLDataType given) {
  if (given.lanes != 1 || given.bits != expected.bits)
    return false;
  if (given.code == expected.code)
    return true;
  /* numpy has neither bfloat16 nor 8-bit floats and passes their bits, and
     older producers pass bool as uint8. */
  return given.code == DL_UINT &&
         (expected.code >= DL_FLOAT8_FIRST || expected.code == DL_BFLOAT ||
          expected.code == DL_BOOL);
}

/* Writes "[2,?,3]" or, with names, "[2,batch,3]". */
static const char *shape_text(const int64_t *shape, int32_t rank,
                              const char *const *names, struct text *text) {
  text->next = text->bytes;
  put(text, "[");
  for (int32_t i = 0; i < rank; ++i) {
    if (i)
      put(text, ",");
    if (shape[i] >= 0)
      put_number(text, (uint64_t)shape[i]);
    else
      put(text, names && names[i][0] ? names[i] : "?");
  }
  put(text, "]");
  return text->bytes;
}

/* A dimension with this name in an input before number `input`, or one before
   dimension `dim` of it; NULL if this is the first. Equal names are one string
   (EmitEntryPoint.cpp). */
static const int64_t *first_use(const QuantcModelInfo *model,
                                const DLTensor *const *inputs, size_t input,
                                int32_t dim, size_t *where) {
  const char *name = model->inputs[input].dim_names[dim];
  for (size_t i = 0; i <= input; ++i) {
    const QuantcTensorInfo *info = &model->inputs[i];
    int32_t end = i == input ? dim : info->ndim;
    for (int32_t d = 0; d < end; ++d)
      if (info->shape[d] < 0 && info->dim_names[d] == name) {
        *where = i;
        return &inputs[i]->shape[d];
      }
  }
  return NULL;
}

static int check_input(const QuantcModelInfo *model,
                       const DLTensor *const *inputs, size_t index) {
  const QuantcTensorInfo *info = &model->inputs[index];
  const DLTensor *tensor = inputs[index];
  struct text expected, given;
  if (!tensor)
    return quantc_set_error("input '%s' is missing", info->name);
  if (tensor->device.device_type != DL_CPU)
    return quantc_set_error("input '%s': expected CPU memory, got device type "
                            "%d",
                            info->name, (int)tensor->device.device_type);
  if (!same_dtype(info->dtype, tensor->dtype))
    return quantc_set_error("input '%s': expected elements of type %s, got %s",
                            info->name, info->element_type,
                            dtype_name(tensor->dtype, &given));
  bool fits = tensor->ndim == info->ndim;
  for (int32_t i = 0; fits && i < info->ndim; ++i)
    fits = tensor->shape[i] >= 0 &&
           (info->shape[i] < 0 || tensor->shape[i] == info->shape[i]);
  if (!fits)
    return quantc_set_error(
        "input '%s': expected shape %s, got %s", info->name,
        shape_text(info->shape, info->ndim, info->dim_names, &expected),
        shape_text(tensor->shape, tensor->ndim, NULL, &given));
  size_t elements = 1;
  for (int32_t i = 0; i < info->ndim; ++i) {
    if (__builtin_mul_overflow(elements, (size_t)tensor->shape[i], &elements))
      return quantc_set_error(
          "input '%s': shape %s is too large", info->name,
          shape_text(tensor->shape, tensor->ndim, NULL, &given));
    size_t where;
    const int64_t *first;
    if (info->shape[i] < 0 && info->dim_names[i][0] &&
        (first = first_use(model, inputs, index, i, &where)) &&
        *first != tensor->shape[i])
      return quantc_set_error(
          "input '%s': dimension %d ('%s') is %lld, but '%s' is %lld in input "
          "'%s'",
          info->name, (int)i, info->dim_names[i], (long long)tensor->shape[i],
          info->dim_names[i], (long long)*first, model->inputs[where].name);
  }
  if (!tensor->data && elements)
    return quantc_set_error("input '%s' has no data", info->name);
  return 0;
}

static bool is_contiguous(const DLTensor *tensor) {
  if (!tensor->strides)
    return true;
  int64_t stride = 1;
  for (int32_t i = tensor->ndim - 1; i >= 0; --i) {
    if (tensor->shape[i] == 0)
      return true;
    if (tensor->shape[i] != 1 && tensor->strides[i] != stride)
      return false;
    stride *= tensor->shape[i];
  }
  return true;
}

/* A copy of a state would not be the caller's. */
static int check_state(const QuantcModelInfo *model,
                       const DLTensor *const *inputs, size_t index) {
  if (!(model->flags & QUANTC_HAS_STATES) || !model->input_is_state[index])
    return 0;
  const DLTensor *tensor = inputs[index];
  uintptr_t data = (uintptr_t)tensor->data + (uintptr_t)tensor->byte_offset;
  if (!is_contiguous(tensor) || data % (tensor->dtype.bits / 8u))
    return quantc_set_error("input '%s' is updated in place: it must be "
                            "contiguous, and aligned to its elements",
                            model->inputs[index].name);
  return 0;
}

/* Copies a strided tensor row by row. `bytes` is the size of an element. */
static void copy_strided(char *to, const char *from, const DLTensor *tensor,
                         int32_t dim, size_t bytes, size_t row_bytes) {
  if (dim == tensor->ndim) {
    memcpy(to, from, bytes);
    return;
  }
  size_t inner = row_bytes / (size_t)tensor->shape[dim];
  for (int64_t i = 0; i < tensor->shape[dim]; ++i)
    copy_strided(to + (size_t)i * inner,
                 from + i * tensor->strides[dim] * (int64_t)bytes, tensor,
                 dim + 1, bytes, inner);
}

static void fill_descriptor(struct descriptor *descriptor,
                            const DLTensor *tensor) {
  int32_t rank = tensor->ndim;
  size_t bytes = tensor->dtype.bits / 8u, total = bytes;
  int64_t *strides = descriptor->sizes_and_strides + rank;
  int64_t stride = 1;
  for (int32_t i = rank - 1; i >= 0; --i) {
    descriptor->sizes_and_strides[i] = tensor->shape[i];
    strides[i] = stride;
    stride *= tensor->shape[i];
    total *= (size_t)tensor->shape[i];
  }
  char *data = (char *)tensor->data + tensor->byte_offset;
  /* Compiled code may rely on the natural alignment of an element. */
  if (total && (!is_contiguous(tensor) || (uintptr_t)data % bytes)) {
    char *copy = _mlir_memref_to_llvm_alloc(total);
    if (is_contiguous(tensor))
      memcpy(copy, data, total);
    else
      copy_strided(copy, data, tensor, 0, bytes, total);
    data = copy;
  }
  descriptor->allocated = descriptor->aligned = data;
  descriptor->offset = 0;
}

/* An output: the struct, its shape and strides, and the memory it owns. */
struct output {
  DLManagedTensor managed;
  void *allocated;
  int64_t shape_and_strides[];
};

static void delete_output(DLManagedTensor *managed) {
  struct output *output = (struct output *)managed;
  _mlir_memref_to_llvm_free(output->allocated);
  free(output);
}

static DLManagedTensor *make_output(const QuantcTensorInfo *info,
                                    const struct descriptor *descriptor) {
  size_t words = 2 * (size_t)info->ndim;
  struct output *output =
      malloc(sizeof(struct output) + words * sizeof(int64_t));
  if (!output)
    return NULL;
  memcpy(output->shape_and_strides, descriptor->sizes_and_strides,
         words * sizeof(int64_t));
  output->allocated = descriptor->allocated;
  size_t bytes = info->dtype.bits / 8u;
  output->managed = (DLManagedTensor){
      .dl_tensor = {.data = (char *)descriptor->aligned +
                            descriptor->offset * (int64_t)bytes,
                    .device = {DL_CPU, 0},
                    .ndim = info->ndim,
                    .dtype = info->dtype,
                    .shape = output->shape_and_strides,
                    .strides = output->shape_and_strides + info->ndim},
      .manager_ctx = output,
      .deleter = delete_output};
  return &output->managed;
}

static size_t all_descriptors_bytes(const QuantcTensorInfo *infos, size_t n) {
  size_t bytes = n * sizeof(void *);
  for (size_t i = 0; i < n; ++i)
    bytes += descriptor_bytes(infos[i].ndim);
  return bytes;
}

/* Places pointers to descriptors, then the descriptors, in `memory`. */
static void **place_descriptors(const QuantcTensorInfo *infos, size_t n,
                                char *memory) {
  void **pointers = (void **)memory;
  memory += n * sizeof(void *);
  for (size_t i = 0; i < n; ++i) {
    pointers[i] = memory;
    memory += descriptor_bytes(infos[i].ndim);
  }
  return pointers;
}

/* The first variant that this processor can run; NULL, with an error stored, if
   there is none. */
static const struct quantc_variant *choose(struct quantc_model *model) {
  const struct quantc_variant *chosen =
      __atomic_load_n(&model->chosen, __ATOMIC_RELAXED);
  /* The answer never changes, so threads may race to find it. */
  for (size_t i = 0; !chosen && i < model->num_variants; ++i)
    if (!quantc_check_features(model->variants[i].info->features)) {
      chosen = &model->variants[i];
      __atomic_store_n(&model->chosen, chosen, __ATOMIC_RELAXED);
    }
  return chosen;
}

const QuantcModelInfo *quantc_rt_info(struct quantc_model *model) {
  const struct quantc_variant *chosen = choose(model);
  return chosen ? chosen->info : model->variants[model->num_variants - 1].info;
}

/* The call of a model, and what it was called with. */
struct run {
  struct quantc_call call;
  const QuantcModelInfo *model;
  quantc_rt_entry entry;
  const DLTensor *const *inputs;
  DLManagedTensor **outputs;
  int32_t failed;
};

/* Does the run that `call` is in. */
static void execute(struct quantc_call *call) {
  struct run *run = (struct run *)call;
  const QuantcModelInfo *model = run->model;
  DLManagedTensor **outputs = run->outputs;
  quantc_call_begin(call);
  if (setjmp(call->on_failure)) {
    quantc_call_end(call);
    return;
  }
  size_t input_bytes = all_descriptors_bytes(model->inputs, model->num_inputs);
  size_t output_bytes =
      all_descriptors_bytes(model->outputs, model->num_outputs);
  char *memory = _mlir_memref_to_llvm_alloc(input_bytes + output_bytes);
  void **in = place_descriptors(model->inputs, model->num_inputs, memory);
  void **out = place_descriptors(model->outputs, model->num_outputs,
                                 memory + input_bytes);
  for (size_t i = 0; i < model->num_inputs; ++i)
    fill_descriptor(in[i], run->inputs[i]);
  run->entry(in, out);
  for (size_t i = 0; i < model->num_outputs; ++i) {
    outputs[i] = make_output(&model->outputs[i], out[i]);
    if (outputs[i])
      continue;
    while (i--) {
      free(outputs[i]);
      outputs[i] = NULL;
    }
    quantc_rt_fail("out of memory");
  }
  /* From here on nothing can fail: the results leave the call. */
  for (size_t i = 0; i < model->num_outputs; ++i)
    quantc_block_release(((struct descriptor *)out[i])->allocated);
  quantc_call_end(call);
  run->failed = 0;
}

int32_t quantc_rt_run(struct quantc_model *library,
                      const DLTensor *const *inputs, size_t num_inputs,
                      DLManagedTensor **outputs, size_t num_outputs) {
  const struct quantc_variant *variant = choose(library);
  if (!variant)
    return 1;
  const QuantcModelInfo *model = variant->info;
  if (num_inputs != model->num_inputs)
    return quantc_set_error("expected %zu inputs, got %zu", model->num_inputs,
                            num_inputs);
  if (num_outputs != model->num_outputs)
    return quantc_set_error("expected room for %zu outputs, got %zu",
                            model->num_outputs, num_outputs);
  for (size_t i = 0; i < num_inputs; ++i)
    if (check_input(model, inputs, i) || check_state(model, inputs, i))
      return 1;

  struct run run = {.model = model,
                    .entry = variant->entry,
                    .inputs = inputs,
                    .outputs = outputs,
                    .failed = 1};
  if (quantc_team_run)
    quantc_team_run(&run.call, execute);
  else
    execute(&run.call);
  return run.failed;
}

/* How many threads the calling thread asked for: 0 if it did not, -1 for all
   processors. */
static _Thread_local int32_t asked_threads;

int32_t quantc_rt_num_threads(void) { return asked_threads; }

void quantc_rt_set_num_threads(int32_t num_threads) {
  asked_threads = num_threads > 0 ? num_threads : -1;
}
