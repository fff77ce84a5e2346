/** What a person gave, or what the browser lacks, cannot be used; the message says what to do. */
export class Refusal extends Error {}
