// SPDX-License-Identifier: Apache-2.0

/// What bounds the server, by the names that errors and `info` use. Sizes in bytes, times in ms.
public struct Limits: Sendable {
    public var processes = 16_384
    public var exitedRecords = 1_000
    public var retainedOutput = 256 << 20
    /// Arguments and labels of exited processes, in all.
    public var retainedRecords = 64 << 20
    public var outputDefault = 1 << 20
    public var outputMost = 1 << 30
    /// Input accepted for a program and not yet taken by it.
    public var inputQueue = 1 << 20
    /// Input of one process that its callers wait to see accepted.
    public var inputWaiting = 32 << 20
    public var labels = 64
    public var labelBytes = 1 << 10
    public var startTimeout: Int64 = 10_000
    public var startTimeoutMost: Int64 = 600_000
    public var stopGrace: Int64 = 10_000
    /// How long `kill` with `wait` waits when nothing else is said.
    public var killWait: Int64 = 30_000
    /// How long a shutdown lets stop rules run before everything left is killed.
    public var shutdownGrace: Int64 = 30_000

    public init() {}
}
