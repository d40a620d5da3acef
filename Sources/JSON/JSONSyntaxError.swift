// SPDX-License-Identifier: Apache-2.0

/// Why a text is no JSON that is taken here.
public struct JSONSyntaxError: Error, Equatable, Sendable, CustomStringConvertible {
    /// The line, from 1.
    public var line: Int
    /// The column of the last character that was read, from 1, in Unicode scalars; 0 before the first.
    public var column: Int
    /// How many bytes had been read.
    public var offset: Int
    /// What was wrong, for a person.
    public var message: String
    /// The limit on nesting, if that was exceeded.
    public var exceededDepth: Int?

    public init(line: Int, column: Int, offset: Int, message: String, exceededDepth: Int? = nil) {
        self.line = line
        self.column = column
        self.offset = offset
        self.message = message
        self.exceededDepth = exceededDepth
    }

    public var description: String {
        "line \(line), column \(column): \(message)"
    }
}
