/*===- replay.c - Runs recorded models and compares their results ---------===*\
|*
|*   replay FOLDER...      each with model.so and *.run (see recorder.py)
|*
|* Each folder is a process of its own, so that a crash ends no other. Floats
may
|* differ by 1e-5 of the largest number of their tensor; all that differs is
|* printed. As /init of an emulated machine it replays /runs and halts.
|*
\*===----------------------------------------------------------------------===*/

#define _GNU_SOURCE
#include "quantc/Runtime/model.h"

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

enum { MAX_TENSORS = 256, MAX_RANK = 32 };

typedef struct {
  DLTensor tensor;
  int64_t shape[MAX_RANK];
  uint64_t size;
  void *after; /* NULL: unchanged */
} Recorded;

static FILE *file;

static void take(void *to, size_t size) {
  if (size && fread(to, size, 1, file) != 1) {
    printf("FAIL: a file ends too early\n");
    exit(1);
  }
}

static void *take_data(uint64_t *size) {
  take(size, sizeof(*size));
  void *data = aligned_alloc(64, (*size + 127) / 64 * 64);
  take(data, *size);
  return data;
}

static void take_tensor(Recorded *r, const QuantcTensorInfo *info) {
  uint32_t rank;
  take(&rank, 4);
  take(r->shape, 8 * rank);
  r->tensor = (DLTensor){take_data(&r->size),
                         {kDLCPU, 0},
                         (int32_t)rank,
                         info->dtype,
                         r->shape,
                         NULL,
                         0};
}

static double to_double(const char *data, size_t i, DLDataType type) {
  if (type.code == kDLBfloat) {
    uint32_t bits = (uint32_t)((const uint16_t *)data)[i] << 16;
    float value;
    memcpy(&value, &bits, 4);
    return value;
  }
  if (type.bits == 64)
    return ((const double *)data)[i];
  return type.bits == 32 ? ((const float *)data)[i]
                         : (double)((const _Float16 *)data)[i];
}

/* Returns 0 if equal, 1 if close, 2 if different. */
static int compare(const char *name, const char *got, const char *want,
                   size_t size, DLDataType type) {
  if (!memcmp(got, want, size))
    return 0;
  size_t width = type.bits / 8u, count = size / width, numDifferent = 0;
  size_t first = count;
  double largest = 0, error = 0;
  int isFloat = type.code == kDLFloat || type.code == kDLBfloat;
  for (size_t i = 0; i < count; ++i) {
    int differ = memcmp(got + i * width, want + i * width, width) != 0;
    if (differ && isFloat) {
      double a = to_double(got, i, type), b = to_double(want, i, type);
      differ = !(isnan(a) && isnan(b));
      if (differ && a != b)
        error = fmax(error, isfinite(a - b) ? fabs(a - b) : INFINITY);
    } else if (differ) {
      error = INFINITY;
    }
    if (isFloat && isfinite(to_double(want, i, type)))
      largest = fmax(largest, fabs(to_double(want, i, type)));
    numDifferent += differ;
    if (differ && first == count)
      first = i;
  }
  if (!numDifferent)
    return 0;
  printf("  %s: %zu of %zu differ, first at %zu: ", name, numDifferent, count,
         first);
  if (isFloat)
    printf("%.9g, not %.9g, by up to %g of %g\n", to_double(got, first, type),
           to_double(want, first, type), error, largest);
  else
    for (size_t i = 0; i < width; ++i)
      printf("%02x not %02x%s", got[first * width + i] & 255,
             want[first * width + i] & 255, i + 1 < width ? ", " : "\n");
  double unit = type.bits == 16 ? type.code == kDLFloat ? 1e-3 : 8e-3 : 1e-5;
  return error <= unit * largest ? 1 : 2;
}

static int replay(const QuantcInterface *model, const char *path) {
  static Recorded inputs[MAX_TENSORS], outputs[MAX_TENSORS];
  const DLTensor *in[MAX_TENSORS];
  DLManagedTensor *out[MAX_TENSORS];
  char magic[4], name[512];
  uint32_t length, counts[2];
  file = fopen(path, "rb");
  take(magic, 4);
  take(&length, 4);
  if (length >= sizeof(name))
    return 2;
  take(name, length);
  name[length] = 0;
  take(counts, 8);
  const QuantcModelInfo *info = model->info();
  if (counts[0] != info->num_inputs || counts[1] != info->num_outputs)
    return 2;
  for (uint32_t i = 0; i < counts[0]; ++i) {
    uint64_t size;
    take_tensor(&inputs[i], &info->inputs[i]);
    void *after = take_data(&size);
    inputs[i].after = size ? after : NULL;
    in[i] = &inputs[i].tensor;
  }
  for (uint32_t i = 0; i < counts[1]; ++i)
    take_tensor(&outputs[i], &info->outputs[i]);
  fclose(file);
  printf("%s %s\n", path, name);
  fflush(stdout);
  if (model->run(in, counts[0], out, counts[1])) {
    printf("  FAIL: %s\n", model->last_error());
    return 2;
  }
  int result = 0, one;
  for (uint32_t i = 0; i < counts[1]; ++i) {
    const DLTensor *got = &out[i]->dl_tensor;
    one = got->ndim != outputs[i].tensor.ndim ||
                  memcmp(got->shape, outputs[i].shape, 8u * (size_t)got->ndim)
              ? 2
              : compare(info->outputs[i].name,
                        (char *)got->data + got->byte_offset,
                        outputs[i].tensor.data, outputs[i].size, got->dtype);
    result = one > result ? one : result;
  }
  for (uint32_t i = 0; i < counts[0]; ++i)
    if (inputs[i].after) {
      one = compare(info->inputs[i].name, inputs[i].tensor.data,
                    inputs[i].after, inputs[i].size, info->inputs[i].dtype);
      result = one > result ? one : result;
    }
  return result;
}

/* Says where, for objdump. */
static void report_signal(int number, siginfo_t *signal, void *context) {
  Dl_info info = {0};
  void *place = (void *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
  if (!dladdr(place, &info))
    info.dli_fname = "?";
  printf("  FAIL: signal %d for address %p at %p, %s+%#lx:", number,
         signal->si_addr, place, info.dli_fname,
         (unsigned long)((char *)place - (char *)info.dli_fbase));
  for (int i = 0; info.dli_fbase && i < 16; ++i)
    printf(" %02x", ((unsigned char *)place)[i]);
  printf("\n");
  fflush(stdout);
  _exit(1);
}

/* In a process of its own: counts equal, close and different runs. */
static void replay_folder(const char *folder, int *counts) {
  static const int signals[] = {SIGILL, SIGSEGV, SIGBUS, SIGFPE, SIGABRT};
  struct sigaction action = {.sa_sigaction = report_signal,
                             .sa_flags = SA_SIGINFO};
  for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); ++i)
    sigaction(signals[i], &action, NULL);
  char path[1024];
  snprintf(path, sizeof(path), "%s/model.so", folder);
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    printf("%s FAIL: %s\n", folder, dlerror());
    exit(1);
  }
  const QuantcInterface *model =
      (const QuantcInterface *)dlsym(library, "quantc_interface");
  for (int i = 0;; ++i) {
    snprintf(path, sizeof(path), "%s/%d.run", folder, i);
    if (access(path, R_OK))
      break;
    ++counts[3];
    int result = replay(model, path);
    if (result == 2)
      printf("  FAIL\n");
    ++counts[result];
  }
}

static void replay_all(char **folders, int count) {
  int total[4] = {0}, numFolders = 0, numCrashed = 0;
  for (int i = 0; i < count; ++i) {
    int ends[2], counts[4] = {0}, status;
    fflush(stdout);
    if (pipe(ends))
      return;
    pid_t child = fork();
    if (!child) {
      replay_folder(folders[i], counts);
      fflush(stdout);
      _exit(write(ends[1], counts, sizeof(counts)) != sizeof(counts));
    }
    close(ends[1]);
    ssize_t got = read(ends[0], counts, sizeof(counts));
    close(ends[0]);
    waitpid(child, &status, 0);
    ++numFolders;
    if (got != sizeof(counts)) {
      printf("%s FAIL: status %#x (signal %d)\n", folders[i], (unsigned)status,
             WTERMSIG(status));
      ++numCrashed;
      continue;
    }
    for (int j = 0; j < 4; ++j)
      total[j] += counts[j];
  }
  printf("REPLAYED %d models, %d crashed; %d runs: %d equal, %d close, "
         "%d different\n",
         numFolders, numCrashed, total[3], total[0], total[1], total[2]);
}

static int is_run(const struct dirent *entry) {
  return entry->d_name[0] != '.';
}

static void be_init(void) {
  mount("proc", "/proc", "proc", 0, "");
  mount("dev", "/dev", "devtmpfs", 0, "");
  int console = open("/dev/ttyS0", O_RDWR);
  dup2(console, 1);
  dup2(console, 2);
  FILE *settings = fopen("/environment", "r");
  char line[256];
  while (settings && fgets(line, sizeof(line), settings)) {
    line[strcspn(line, "\n")] = 0;
    putenv(strdup(line));
  }
  struct dirent **names;
  int count = scandir("/runs", &names, is_run, alphasort);
  char **folders = calloc((size_t)count + 1, sizeof(char *));
  for (int i = 0; i < count; ++i)
    if (asprintf(&folders[i], "/runs/%s", names[i]->d_name) < 0)
      return;
  replay_all(folders, count);
  printf("HALTED\n");
  fflush(stdout);
  sleep(1);
  /* How Bochs is told to end. */
  if (!ioperm(0x8900, 1, 1))
    for (const char *c = "Shutdown"; *c; ++c)
      outb((unsigned char)*c, 0x8900);
  reboot(RB_POWER_OFF);
}

int main(int argc, char **argv) {
  if (getpid() == 1)
    be_init();
  else
    replay_all(argv + 1, argc - 1);
  return 0;
}
