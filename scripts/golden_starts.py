"""Records the losses of the golden training runs (scripts/golden_values.py) from other weights, in float64.

    python3 scripts/golden_starts.py && npx biome format --write test/golden

writes test/golden/starts.json: for each network and start of the generator that the weights are counted with, the losses of
twenty steps. From starts 1 and 4 PyTorch's own float32 leaves float64 within five steps. test/train/golden.test.ts follows
them, and prints for how long.
"""

from golden_values import NETWORKS, STEPS, training_run, write

STARTS = (1, 3, 4)


def main():
    networks = {
        name: {start: training_run(build, start)["losses"] for start in STARTS} for name, build in NETWORKS.items()
    }
    write("starts.json", {"steps": STEPS, "networks": networks}, by="scripts/golden_starts.py")


main()
