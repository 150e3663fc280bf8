/** Thrown by an importer for a valid node that it does not understand: the node becomes an opaque operator. */
export class Unsupported extends Error {
  override readonly name = 'Unsupported';
  /** With known sizes of inputs it may be understood. */
  readonly dependsOnSizes: boolean;

  constructor(message: string, { dependsOnSizes = false } = {}) {
    super(message);
    this.dependsOnSizes = dependsOnSizes;
  }
}
