/**
 * How many steps each parameter has taken. A step passes over parameters that no gradient reached, and Adam's bias
 * corrections depend on the steps that a parameter itself has taken, so parameters fall into cohorts: those of one group
 * that have taken equally many. A cohort is a slot of hyper-parameters on the device. Usually there is one per group.
 *
 * The host counts a step before it knows which parameters it will reach (a replayed step only ever tells the device), so
 * `count` expects the parameters of the step before, and `settle` corrects that. A slot never changes hands: a parameter
 * that a recorded step updates keeps its slot as long as it is reached, however often the record is replayed.
 */
interface Cohort {
  readonly group: number;
  steps: number;
  /** The last step reached its parameters. */
  isMoving: boolean;
}

export class Cohorts {
  readonly #cohorts: Cohort[];
  /** Cohort of each parameter. */
  readonly #of: number[];

  /** @param groups of each parameter */
  constructor(groups: readonly number[]) {
    const used = [...new Set(groups)];
    this.#cohorts = used.map(group => ({ group, steps: 0, isMoving: true }));
    this.#of = groups.map(group => used.indexOf(group));
  }

  /** The slot of a parameter. */
  slotOf(parameter: number): number {
    return this.#of[parameter];
  }

  /** Steps that each parameter has taken. */
  get steps(): number[] {
    return this.#of.map(cohort => this.#cohorts[cohort].steps);
  }

  set steps(steps: readonly number[]) {
    const cohorts = this.#cohorts.length;
    for (let cohort = 0; cohort < cohorts; cohort++) {
      const members = this.#membersOf(cohort);
      if (members.length === 0) continue;
      this.#cohorts[cohort].steps = steps[members[0]];
      for (const value of new Set(members.map(member => steps[member]))) {
        if (value === steps[members[0]]) continue;
        this.#part(
          members.filter(member => steps[member] === value),
          { ...this.#cohorts[cohort], steps: value },
        );
      }
    }
  }

  /** The number of the next step for each slot, should it be reached. */
  next(): { group: number; step: number }[] {
    return this.#cohorts.map(({ group, steps }) => ({ group, step: steps + 1 }));
  }

  /** Counts a step, expecting it to reach what the one before did. */
  count(): void {
    for (const cohort of this.#cohorts) if (cohort.isMoving) cohort.steps++;
  }

  /** Corrects the count: the step that was counted last reaches these parameters. */
  settle(isReached: (parameter: number) => boolean): void {
    const cohorts = this.#cohorts.length;
    for (let index = 0; index < cohorts; index++) {
      const cohort = this.#cohorts[index];
      const members = this.#membersOf(index);
      const resting = members.filter(member => !isReached(member));
      const before = cohort.isMoving ? cohort.steps - 1 : cohort.steps;
      if (resting.length > 0 && resting.length < members.length) {
        this.#part(resting, { group: cohort.group, steps: before, isMoving: false });
      }
      cohort.isMoving = resting.length < members.length;
      cohort.steps = cohort.isMoving ? before + 1 : before;
    }
  }

  #membersOf(cohort: number): number[] {
    return this.#of.flatMap((of, parameter) => (of === cohort ? [parameter] : []));
  }

  #part(members: readonly number[], cohort: Cohort): void {
    this.#cohorts.push(cohort);
    for (const member of members) this.#of[member] = this.#cohorts.length - 1;
  }
}
