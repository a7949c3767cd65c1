/*===- threads.c - Parallel loops of a run --------------------------------===*\
|*
|* A run starts threads once, if the last one had parallel loops: the first
|* thread computes the model, the others wait for loops, which they get through
|* a few shared words instead of a fork each. With one thread nothing of OpenMP
|* is called. This file is linked in only if the model has parallel loops.
|*
|* The entries with GNU's names are in libomp, too. They fit together whichever
|* OpenMP library the process has.
|*
\*===----------------------------------------------------------------------===*/

#include "internal.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

extern void GOMP_parallel(void (*)(void *), void *, unsigned, unsigned);
extern int omp_get_thread_num(void);
extern int omp_get_num_threads(void);
extern int omp_get_max_threads(void);
extern int omp_get_num_procs(void);

struct loop {
  quantc_rt_loop body;
  void *context;
  int64_t size;
  struct failure *failure;
};

/* Why a loop ends early: what the first thread that failed says. */
struct failure {
  atomic_flag is_taken;
  int has_message; /* read when the loop has ended */
  char message[QUANTC_ERROR_SIZE];
};

/* The threads of a run. Words that different threads write lie apart. */
struct quantc_team {
  struct loop loop;     /* the current one; no body: the run is over */
  unsigned num_threads; /* as many as the run may use */
  unsigned num_waiting; /* those that take part beside the first; 0: none
                           have been started */
  int is_in_loop;       /* of the first thread */
  int has_loops;        /* that several threads are worth */
  struct quantc_call *call;
  void (*execute)(struct quantc_call *);
  _Alignas(64) atomic_uint round; /* loops that have begun */
  _Alignas(64) atomic_uint num_running;
};

/* Of the thread that computes a model; NULL in the threads that help it. */
static _Thread_local struct quantc_team *current_team;

/* Whether the last run had loops for several threads. */
static atomic_int had_loops;

static unsigned count_threads(void) {
  /* libomp need not be woken up to learn that there is one thread. */
  static atomic_int has_one; /* 1: no, 2: yes */
  int32_t asked = quantc_rt_num_threads();
  if (asked > 0)
    return (unsigned)asked;
  if (asked < 0)
    return (unsigned)omp_get_num_procs();
  int known = atomic_load_explicit(&has_one, memory_order_relaxed);
  if (!known) {
    const char *setting = getenv("OMP_NUM_THREADS");
    known = setting && strtol(setting, NULL, 10) == 1 ? 2 : 1;
    atomic_store_explicit(&has_one, known, memory_order_relaxed);
  }
  return known == 2 ? 1 : (unsigned)omp_get_max_threads();
}

/* The part of a loop that one of the threads takes. A thread that fails leaves
   its part, not the loop: it is a call of its own, which frees what the part
   had allocated. */
static void run_share(const struct loop *loop, unsigned thread,
                      unsigned num_threads) {
  int64_t each = loop->size / num_threads, rest = loop->size % num_threads;
  int64_t first = each * thread + (thread < rest ? thread : rest);
  int64_t count = each + (thread < rest);
  if (!count)
    return;
  struct quantc_call share;
  quantc_call_begin(&share);
  if (!setjmp(share.on_failure)) {
    loop->body(loop->context, first, first + count);
  } else if (!atomic_flag_test_and_set(&loop->failure->is_taken)) {
    snprintf(loop->failure->message, sizeof(loop->failure->message), "%s",
             quantc_rt_last_error());
    loop->failure->has_message = 1;
  }
  quantc_call_end(&share);
}

static void pause_briefly(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* Between two looks at what a thread waits for: loops follow each other within
   microseconds, mostly. A thread that has waited for long lets others have its
   processor, and then sleeps. */
static void wait_a_little(unsigned *turn) {
  ++*turn;
  if (*turn < 2000) {
    pause_briefly();
  } else if (*turn < 200000) {
    sched_yield();
  } else {
    struct timespec time = {.tv_nsec = 50000};
    nanosleep(&time, NULL);
  }
}

static void help(struct quantc_team *team, unsigned thread) {
  for (unsigned done = 0;; ++done) {
    unsigned turn = 0;
    while (atomic_load_explicit(&team->round, memory_order_acquire) == done)
      wait_a_little(&turn);
    if (!team->loop.body)
      return;
    run_share(&team->loop, thread, team->num_waiting + 1);
    atomic_fetch_sub_explicit(&team->num_running, 1, memory_order_release);
  }
}

static void start_round(struct quantc_team *team, struct loop loop) {
  team->loop = loop;
  atomic_store_explicit(&team->num_running, team->num_waiting,
                        memory_order_relaxed);
  atomic_fetch_add_explicit(&team->round, 1, memory_order_release);
}

/* What each thread of a run does. */
static void take_part(void *argument) {
  struct quantc_team *team = argument;
  unsigned thread = (unsigned)omp_get_thread_num();
  if (thread) {
    help(team, thread);
    return;
  }
  team->num_waiting = (unsigned)omp_get_num_threads() - 1;
  team->execute(team->call);
  if (team->num_waiting)
    start_round(team, (struct loop){0});
}

void quantc_team_run(struct quantc_call *call,
                     void (*execute)(struct quantc_call *)) {
  struct quantc_team team = {
      .num_threads = count_threads(), .call = call, .execute = execute};
  struct quantc_team *outer = current_team;
  current_team = &team;
  if (team.num_threads > 1 &&
      atomic_load_explicit(&had_loops, memory_order_relaxed))
    GOMP_parallel(take_part, &team, team.num_threads, 0);
  else
    execute(call);
  current_team = outer;
  if (team.num_threads > 1)
    atomic_store_explicit(&had_loops, team.has_loops, memory_order_relaxed);
}

/* A loop whose threads start and end with it. */
static void take_share(void *argument) {
  run_share(argument, (unsigned)omp_get_thread_num(),
            (unsigned)omp_get_num_threads());
}

void quantc_rt_parallel(quantc_rt_loop body, void *context, int64_t size,
                        int32_t use_threads) {
  struct quantc_team *team = current_team;
  if (!use_threads || size < 2 || !team || team->num_threads < 2 ||
      team->is_in_loop) {
    body(context, 0, size);
    return;
  }
  struct failure failure = {.is_taken = ATOMIC_FLAG_INIT};
  struct loop loop = {body, context, size, &failure};
  team->has_loops = 1;
  team->is_in_loop = 1;
  if (!team->num_waiting) {
    GOMP_parallel(take_share, &loop, team->num_threads, 0);
  } else {
    start_round(team, loop);
    run_share(&loop, 0, team->num_waiting + 1);
    unsigned turn = 0;
    while (atomic_load_explicit(&team->num_running, memory_order_acquire))
      wait_a_little(&turn);
  }
  team->is_in_loop = 0;
  if (failure.has_message)
    quantc_rt_fail(failure.message);
}
