// SPDX-License-Identifier: Apache-2.0

/// What bounds one peer, by the names that errors and `info` use. Sizes in bytes.
public struct ServerLimits: Sendable {
    public var messageBytes = 16 << 20
    public var nesting = 512
    public var batch = 1_000
    public var pendingRequests = 1_024
    public var connections = 1_024
    /// A connection whose replies are not read is not read from any more.
    public var sendQueue = 4 << 20
    /// Notifications of output wait in the rings while this much is queued.
    public var outputQueue = 256 << 10
    /// The most bytes of one notification.
    public var outputPiece = 64 << 10
    public var subscriptions = 64
    /// Events, output besides, that wait to be told to one subscription whose connection takes nothing.
    public var eventsWaiting = 16_384
    /// How long, in ms, a lossless subscriber may take nothing.
    public var stall: Int64 = 30_000
    /// One `read`.
    public var readDefault = 64 << 10
    public var readMost = 1 << 20
    /// Longest time a caller may name, in ms: one year.
    public static let longest: Int64 = 366 * 24 * 3600 * 1000

    public init() {}
}
