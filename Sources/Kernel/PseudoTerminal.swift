// SPDX-License-Identifier: Apache-2.0
import CKernel
import Glibc
public import SystemPackage

/// A terminal of the server's own: its master, and the slave for a program. pty(7).
@MainActor
public struct PseudoTerminal {
    /// Where the program's output is read and its input written; non-blocking.
    public let master: SharedDescriptor
    /// For the program. The terminal's output ends when its last holder closes it.
    public let slave: SharedDescriptor

    /// - Throws: ENOSPC when there are too many (/proc/sys/kernel/pty/max), EMFILE.
    public init(rows: UInt16, columns: UInt16) throws(Errno) {
        var (master, slave): (CInt, CInt) = (-1, -1)
        try kernelResult(pk_terminal_open(&master, &slave))
        self.master = SharedDescriptor(Descriptor(taking: master).lifted())
        self.slave = SharedDescriptor(Descriptor(taking: slave))
        try Self.resize(self.master, rows: rows, columns: columns)
    }

    /// Makes a user its owner, who may then open it by its name as well, as after a login (grantpt(3)).
    public func give(to user: UInt32) throws(Errno) {
        let number = slave.raw
        try systemCall { fchown(number, user, gid_t.max) }
    }

    /// Tells the terminal's foreground programs of another size (SIGWINCH).
    public static func resize(_ terminal: SharedDescriptor, rows: UInt16, columns: UInt16) throws(Errno) {
        try kernelResult(pk_terminal_resize(terminal.raw, rows, columns))
    }

    /// What typed at the beginning of a line ends the input (^D unless the program has set another one).
    public static func endCharacter(_ terminal: SharedDescriptor) -> UInt8? {
        let character = pk_terminal_end_character(terminal.raw)
        return character == 0 ? nil : UInt8(character)
    }
}
