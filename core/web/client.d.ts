/** What was published of one experiment. */
export interface PublishedExperiment {
  variant: string;
  /** The full name. */
  experiment: string;
  /** The anonymous key of the visitor's unit. */
  key: string;
  migration_keys?: string[];
  /** The unit is kept out: it sees control, and nothing is tracked. */
  excluded?: boolean;
  /** Lets this page send events for a day; absent where nothing is tracked. */
  token?: string;
}

export interface Experiments {
  /**
   * What was published, by full name. A page that asks a JSON endpoint may
   * Object.assign the answer to it before it inserts slots.
   */
  readonly published: Record<string, PublishedExperiment>;

  /** The variant of an experiment, "control" if it is not published. */
  variant(name: string): string;

  /**
   * Sends an event. The result says whether it was taken; it never rejects.
   * Where nothing is tracked, nothing is sent.
   */
  track(
    name: string,
    action: string,
    options?: { value?: number; label?: string; property?: string },
  ): Promise<boolean>;
}

/**
 * `<experiment-slot name="pill_color" variant="red" hidden>` shows its content
 * to those who have the variant. The slot of control, which is not hidden in
 * the markup, is what everybody else sees, and those without JavaScript.
 */
export interface ExperimentSlotElement extends HTMLElement {}

declare global {
  interface Window {
    readonly experiments: Experiments;
  }
  const experiments: Experiments;
  interface HTMLElementTagNameMap {
    "experiment-slot": ExperimentSlotElement;
  }
}
