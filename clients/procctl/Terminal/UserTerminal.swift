// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel

/// Where a person sits: keys come from standard input, the screen is standard output. Either may be something else.
///
/// A terminal is opened once more, for ourselves: then it can be non-blocking without being so for the shell as well.
final class UserTerminal {
    let input: CInt
    let output: CInt
    /// Standard input is a terminal.
    let isTerminal: Bool
    /// The screen takes what fits and no more.
    private let outputNeverBlocks: Bool
    private(set) var isRaw = false

    init() {
        isTerminal = isatty(STDIN_FILENO) == 1
        let own = isTerminal ? Self.reopened(STDIN_FILENO) : nil
        input = own ?? STDIN_FILENO
        let isScreen = own != nil && isatty(STDOUT_FILENO) == 1 && Self.areOne(STDIN_FILENO, STDOUT_FILENO)
        output = isScreen ? input : STDOUT_FILENO
        outputNeverBlocks = isScreen
    }

    /// Whether 0, 1 and 2 are one terminal, and its keys are meant for us and for no job before us (tcgetpgrp(3)).
    static func isOurs() -> Bool {
        (0...2).allSatisfy { StandardDescriptors.wasOpen($0) && isatty($0) == 1 }
            && areOne(STDIN_FILENO, STDOUT_FILENO) && areOne(STDIN_FILENO, STDERR_FILENO)
            && tcgetpgrp(STDIN_FILENO) == getpgrp()
    }

    /// Rows and columns; nil when none of the three is a terminal that knows.
    static func size() -> (rows: Int, columns: Int)? {
        for number in CInt(0)...2 {
            var size = winsize()
            if ioctl(number, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0, size.ws_col > 0 {
                return (Int(size.ws_row), Int(size.ws_col))
            }
        }
        return nil
    }

    /// Whether keys may be read: those of a terminal only in raw mode, those of anything else always.
    var takesKeys: Bool { isRaw || !isTerminal }

    /// Raw mode, if it is a terminal and our turn.
    func enter() {
        guard isTerminal, tcgetpgrp(input) == getpgrp() else { return leave() }
        isRaw = TerminalGuard.enter(input)
    }

    func leave() {
        TerminalGuard.leave()
        isRaw = false
    }

    /// What the screen takes now of the bytes; nil when it is gone.
    func write(_ bytes: ArraySlice<UInt8>) -> Int? {
        // A pipe that poll(2) calls ready takes this much without waiting (PIPE_BUF, pipe(7)).
        let most = outputNeverBlocks ? bytes.count : min(bytes.count, 4096)
        let count = bytes.withUnsafeBytes { Glibc.write(output, $0.baseAddress, most) }
        if count >= 0 { return count }
        return errno == EAGAIN || errno == EINTR ? 0 : nil
    }

    private static func reopened(_ number: CInt) -> CInt? {
        let own = open("/proc/self/fd/\(number)", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
        return own >= 0 ? own : nil
    }

    private static func areOne(_ first: CInt, _ second: CInt) -> Bool {
        var (one, other) = (stat(), stat())
        return fstat(first, &one) == 0 && fstat(second, &other) == 0 && one.st_rdev == other.st_rdev
    }
}
