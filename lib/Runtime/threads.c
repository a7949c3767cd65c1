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
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern void GOMP_parallel(void (*)(void *), void *, unsigned, unsigned);
extern int omp_get_thread_num(void);
extern int omp_get_num_threads(void);
extern int omp_get_max_threads(void);
extern int omp_get_num_procs(void);

/* With more threads than this, some begin with the same part of a loop. */
#define MAX_SHARES 64

/* Iterations that nobody has begun yet, of those that a thread begins with.
   Threads that have none of their own left take of the others'. */
struct share {
  _Alignas(64) atomic_llong next;
  long long end;
  long long least; /* to be taken at a time */
};

struct loop {
  quantc_rt_loop body;
  void *context;
  struct share *shares;
  unsigned num_shares;
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
  _Alignas(64) atomic_ullong round; /* see ROUND_OPEN */
  struct share shares[MAX_SHARES];
};

/* A round is one loop. In the word that says where it is, the upper half counts
   them; below, a bit tells whether threads may still join, and the rest how
   many beside the first have done so and are not through. Nobody waits for a
   thread that has not joined: it may be without a processor. */
#define ROUND_OPEN 0x80000000ull

static unsigned get_number(unsigned long long round) {
  return (unsigned)(round >> 32);
}

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
    known = setting && setting[0] == '1' && !setting[1] ? 2 : 1;
    atomic_store_explicit(&has_one, known, memory_order_relaxed);
  }
  return known == 2 ? 1 : (unsigned)omp_get_max_threads();
}

static void make_shares(struct loop *loop, int64_t size) {
  int64_t each = size / loop->num_shares, rest = size % loop->num_shares;
  int64_t first = 0;
  for (unsigned i = 0; i < loop->num_shares; ++i) {
    struct share *share = &loop->shares[i];
    atomic_store_explicit(&share->next, first, memory_order_relaxed);
    first += each + (i < rest);
    share->end = first;
    share->least = each / 8 + 1;
  }
}

/* Half of what is left, so that threads end at about the same time, but few
   iterations are taken alone. */
static int take(struct share *share, long long *first, long long *end) {
  long long next = atomic_load_explicit(&share->next, memory_order_relaxed);
  do {
    long long left = share->end - next, count = (left + 1) / 2;
    if (left <= 0)
      return 0;
    if (count < share->least)
      count = left < share->least ? left : share->least;
    *first = next;
    *end = next + count;
  } while (!atomic_compare_exchange_weak_explicit(
      &share->next, &next, *end, memory_order_relaxed, memory_order_relaxed));
  return 1;
}

/* What one of the threads does of a loop. A thread that fails leaves its part,
   not the loop: it is a call of its own, which frees what the part had
   allocated. */
static void run_part(const struct loop *loop, unsigned thread) {
  struct quantc_call part;
  long long first, end;
  quantc_call_begin(&part);
  if (!setjmp(part.on_failure)) {
    for (unsigned i = 0; i < loop->num_shares; ++i) {
      struct share *share = &loop->shares[(thread + i) % loop->num_shares];
      while (take(share, &first, &end))
        loop->body(loop->context, first, end);
    }
  } else if (!atomic_flag_test_and_set(&loop->failure->is_taken)) {
    memcpy(loop->failure->message, quantc_rt_last_error(), QUANTC_ERROR_SIZE);
    loop->failure->has_message = 1;
  }
  quantc_call_end(&part);
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

/* Joins the round `number`, which was seen as `round`; 0 if it is over. */
static int join(struct quantc_team *team, unsigned number,
                unsigned long long round) {
  do {
    if (get_number(round) != number || !(round & ROUND_OPEN))
      return 0;
  } while (!atomic_compare_exchange_weak_explicit(
      &team->round, &round, round + 1, memory_order_acquire,
      memory_order_relaxed));
  return 1;
}

static void help(struct quantc_team *team, unsigned thread) {
  for (unsigned seen = 0;;) {
    unsigned long long round;
    unsigned turn = 0;
    while (round = atomic_load_explicit(&team->round, memory_order_relaxed),
           get_number(round) == seen)
      wait_a_little(&turn);
    seen = get_number(round);
    if (!join(team, seen, round))
      continue;
    if (!team->loop.body)
      return;
    run_part(&team->loop, thread);
    atomic_fetch_sub_explicit(&team->round, 1, memory_order_release);
  }
}

static void start_round(struct quantc_team *team, struct loop loop) {
  team->loop = loop;
  unsigned long long round =
      atomic_load_explicit(&team->round, memory_order_relaxed);
  unsigned long long next = (unsigned long long)(get_number(round) + 1) << 32;
  atomic_store_explicit(&team->round, next | ROUND_OPEN, memory_order_release);
}

/* Waits for the threads that have joined. */
static void end_round(struct quantc_team *team) {
  unsigned long long round = atomic_fetch_and_explicit(
      &team->round, ~ROUND_OPEN, memory_order_acquire);
  unsigned turn = 0;
  while (round & (ROUND_OPEN - 1)) {
    wait_a_little(&turn);
    round = atomic_load_explicit(&team->round, memory_order_acquire);
  }
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
  /* Not the shares, which each loop sets. */
  struct quantc_team team;
  team.num_threads = count_threads();
  team.num_waiting = 0;
  team.is_in_loop = team.has_loops = 0;
  team.call = call;
  team.execute = execute;
  atomic_init(&team.round, 0);
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
static void take_part_in_loop(void *argument) {
  run_part(argument, (unsigned)omp_get_thread_num());
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
  struct loop loop = {body, context, team->shares,
                      team->num_threads < MAX_SHARES ? team->num_threads
                                                     : MAX_SHARES,
                      &failure};
  make_shares(&loop, size);
  team->has_loops = 1;
  team->is_in_loop = 1;
  if (!team->num_waiting) {
    GOMP_parallel(take_part_in_loop, &loop, team->num_threads, 0);
  } else {
    start_round(team, loop);
    run_part(&loop, 0);
    end_round(team);
  }
  team->is_in_loop = 0;
  if (failure.has_message)
    quantc_rt_fail(failure.message);
}
