"""`python -m quantc`: what needs Python's libraries rather than the compiler."""

import argparse
import sys

from . import CompileError, RunError, generation, language


def _show_progress():
    """A callback that draws a bar, if somebody sees it and rich is there."""
    if not sys.stderr.isatty():
        return None, lambda: None
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        return None, lambda: None
    bar = Progress(
        TextColumn("windows"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("perplexity {task.fields[perplexity]:.3f}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    task = bar.add_task("", total=None, perplexity=0.0)
    bar.start()

    def update(number, count, perplexity):
        bar.update(task, completed=number, total=count, perplexity=perplexity)

    return update, bar.stop


def _perplexity(args):
    progress, stop = _show_progress()
    try:
        result = language.evaluate(
            args.model, args.tokens, args.against, args.window, args.stride, args.limit, progress
        )
    finally:
        stop()
    print(f"perplexity        {result.perplexity:.4f}")
    if result.kl_divergence is not None:
        print(f"KL divergence     {result.kl_divergence:.6f}")
        print(f"top-1 agreement   {100 * result.top1_agreement:.2f} %")
    print(f"scored tokens     {result.tokens}")
    print(f"tokens per second {result.tokens_per_second:.0f}")


def _generate(args):
    result = generation.generate(
        args.model,
        args.tokenizer,
        args.prompt,
        max_tokens=args.max_tokens,
        temperature=args.temperature,
        top_k=args.top_k,
        seed=args.seed,
        end=args.end,
        start=args.start,
    )
    if args.threads:
        result.decoder.model.set_num_threads(args.threads)
    for piece in result:
        print(piece, end="", flush=True)
    print()
    if args.quiet:
        return
    rows = [
        ("prompt tokens", f"{len(result.prompt_tokens)} in {result.prompt_seconds:.2f} s"),
        ("generated tokens", f"{len(result.tokens)}"),
        ("tokens per second", f"{result.tokens_per_second:.1f}"),
        ("cache", f"{result.decoder.cache_bytes / 1e6:.2f} MB"),
        ("peak memory", f"{result.peak_memory / 1e6:.1f} MB"),
    ]
    for label, text in rows:
        print(f"{label:<17} {text}", file=sys.stderr)


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m quantc", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    perplexity = commands.add_parser(
        "perplexity", help="score a compiled language model on tokens, and compare it with another one"
    )
    perplexity.add_argument("model", help="a compiled model: tokens to logits")
    perplexity.add_argument("--tokens", required=True, help=".npy file of token ids")
    perplexity.add_argument("--against", help="the compiled model that it should be like")
    perplexity.add_argument("--window", type=int, default=256, help="tokens a window (256)")
    perplexity.add_argument("--stride", type=int, help="from window to window (as long as the window)")
    perplexity.add_argument("--limit", type=int, default=0, help="score so many windows only")
    perplexity.set_defaults(run=_perplexity)
    generate = commands.add_parser("generate", help="continue a prompt with a compiled language model")
    generate.add_argument("model", help="a compiled model: tokens (and a cache) to logits")
    generate.add_argument("--tokenizer", required=True, help="a tokenizer.json")
    generate.add_argument("--prompt", default="", help="the text to continue")
    generate.add_argument("--max-tokens", type=int, default=128, help="generate so many tokens at most (128)")
    generate.add_argument("--temperature", type=float, default=0.0, help="0 takes the likeliest token (0)")
    generate.add_argument("--top-k", type=int, default=0, help="draw from so many tokens only (0: all)")
    generate.add_argument("--seed", type=int, default=0, help="the same one draws the same text (0)")
    generate.add_argument("--end", help="the token to stop at (as usual tokenizers have it)")
    generate.add_argument("--start", help="a token to put before the prompt")
    generate.add_argument("--threads", type=int, default=0, help="threads to use (0: all processors)")
    generate.add_argument("--quiet", action="store_true", help="print the text only")
    generate.set_defaults(run=_generate)
    args = parser.parse_args(argv)
    try:
        args.run(args)
    except (OSError, ValueError, RunError, CompileError) as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
