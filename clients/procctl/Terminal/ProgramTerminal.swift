// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel

/// What a key means on the terminal of a program that runs on this machine.
enum ProgramTerminal {
    /// Whether `key` would stop the program if a shell had started it, and does nothing as things are: it leads the
    /// session of its terminal, and in such an orphaned process group SIGTSTP is ignored (setpgid(2)).
    ///
    /// So it is false for a program that reads this key itself, that handles SIGTSTP, or that has a job before it.
    static func wouldStop(_ pid: Int64, key: UInt8) -> Bool {
        leadsItsTerminal(pid) && takesStopAsItIs(pid) && isStopKey(key, pid)
    }

    static func isStopped(_ pid: Int64) -> Bool { status(pid).first == "T" }

    private static func leadsItsTerminal(_ pid: Int64) -> Bool {
        let fields = status(pid)
        return fields.count > 5 && [fields[2], fields[3], fields[5]].allSatisfy { Int64($0) == pid }
    }

    /// proc_pid_stat(5): state ppid pgrp session tty_nr tpgid …, behind the name in brackets.
    private static func status(_ pid: Int64) -> [Substring] {
        guard let text = contents("/proc/\(pid)/stat"), let bracket = text.lastIndex(of: ")") else { return [] }
        return text[text.index(after: bracket)...].split(separator: " ")
    }

    private static func takesStopAsItIs(_ pid: Int64) -> Bool {
        guard let text = contents("/proc/\(pid)/status") else { return false }
        let masks = text.split(separator: "\n").filter { line in
            ["SigBlk:", "SigIgn:", "SigCgt:"].contains { line.hasPrefix($0) }
        }
        return masks.count == 3
            && masks.allSatisfy { line in
                UInt64(line.dropFirst(7).drop { $0 == "\t" }, radix: 16).map { $0 & 1 << UInt64(SIGTSTP - 1) == 0 }
                    ?? false
            }
    }

    private static func isStopKey(_ key: UInt8, _ pid: Int64) -> Bool {
        let raw = open("/proc/\(pid)/fd/0", O_RDONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
        guard raw >= 0 else { return false }
        defer { close(raw) }
        var settings = termios()
        guard tcgetattr(raw, &settings) == 0, settings.c_lflag & tcflag_t(ISIG) != 0 else { return false }
        return withUnsafeBytes(of: &settings.c_cc) { $0[Int(VSUSP)] } == key
    }

    private static func contents(_ path: String) -> String? {
        let raw = open(path, O_RDONLY | O_CLOEXEC)
        guard raw >= 0 else { return nil }
        defer { close(raw) }
        var buffer = [UInt8](repeating: 0, count: 8192)
        let count = read(raw, &buffer, buffer.count)
        return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
    }
}
