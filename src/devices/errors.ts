/**
 * The errors a user can meet. Each carries one sentence that says what was wrong, where, and what to do; the class
 * says which kind of mistake it was, so that callers (the command line, a test) can tell them apart.
 */

/** Shapes that do not fit together; the message names them. */
export class ShapeError extends Error {
  override name = 'ShapeError';
}

/** An element type an operation does not take. */
export class DTypeError extends Error {
  override name = 'DTypeError';
}

/** A device that could not be opened, or that refused what was asked of it; names kernel and shapes where known. */
export class DeviceError extends Error {
  override name = 'DeviceError';
}

/** The device went away (driver reset, `destroy`); everything that lived on it is gone. */
export class DeviceLostError extends DeviceError {
  override name = 'DeviceLostError';
}

/** An allocation that could not be served; says what was asked for and what is live. */
export class OutOfMemoryError extends DeviceError {
  override name = 'OutOfMemoryError';
}

/** A loss, gradient or statistic became NaN or infinite; names step and first layer. */
export class NonFiniteError extends Error {
  override name = 'NonFiniteError';
}

/** Tensors or device memory that a piece of work left behind; names shapes and bytes. */
export class LeakError extends Error {
  override name = 'LeakError';
}

/** A data file that is missing, damaged or of the wrong kind. */
export class DataError extends Error {
  override name = 'DataError';
}

/** A folder that another process is at work in; names the process. */
export class FolderLockedError extends Error {
  override name = 'FolderLockedError';
}

/** A checkpoint that is damaged or belongs to another model. */
export class CheckpointError extends Error {
  override name = 'CheckpointError';
}

/** A call or command line that cannot mean anything. */
export class UsageError extends Error {
  override name = 'UsageError';
}
