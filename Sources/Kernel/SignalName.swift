// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Signals by name (signal(7)): "TERM" and "SIGTERM" in, "SIGTERM" out.
public enum SignalName {
    /// The greatest signal number of Linux, SIGRTMAX.
    public static let maximum: Int32 = 64

    /// The least real-time signal a program sees. The kernel begins at 32; glibc keeps 32 and 33 for its threads
    /// (nptl(7)), so that SIGRTMIN is 34 to every program linked with it.
    static let realTimeMinimum: Int32 = 34

    /// The number of a name in upper case, with or without "SIG": standard signals, the aliases CLD, POLL and IOT,
    /// RTMIN, RTMAX, RTMIN+N and RTMAX-N within 34…64. Nil for anything else, numerals among them.
    public static func number(of text: String) -> Int32? {
        let name = text.hasPrefix("SIG") ? text.dropFirst(3) : text[...]
        return numbers[String(name)] ?? realTime(name)
    }

    /// The name with "SIG": "SIGTERM", "SIGRTMIN", "SIGRTMIN+3", "SIGRTMAX"; "SIG32" for a number without a name.
    public static func name(of number: Int32) -> String {
        if let standard = names[number] { return "SIG" + standard }
        switch number {
        case realTimeMinimum: return "SIGRTMIN"
        case maximum: return "SIGRTMAX"
        case realTimeMinimum..<maximum: return "SIGRTMIN+\(number - realTimeMinimum)"
        default: return "SIG\(number)"
        }
    }

    /// RTMIN[+N] and RTMAX[-N].
    private static func realTime(_ name: Substring) -> Int32? {
        let base = name.prefix(5)
        let start: Int32
        let sign: Character
        switch base {
        case "RTMIN": (start, sign) = (realTimeMinimum, "+")
        case "RTMAX": (start, sign) = (maximum, "-")
        default: return nil
        }
        let rest = name.dropFirst(5)
        if rest.isEmpty { return start }
        let digits = rest.dropFirst()
        // Int32("+3") would read a second sign: the digits are checked one by one.
        guard rest.first == sign, (1...2).contains(digits.utf8.count),
            digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let offset = Int32(digits)
        else { return nil }
        let number = sign == "+" ? start + offset : start - offset
        return (realTimeMinimum...maximum).contains(number) ? number : nil
    }

    /// The standard signals; the numbers are the platform's, not written here.
    private static let standard: [(Int32, String)] = [
        (SIGHUP, "HUP"), (SIGINT, "INT"), (SIGQUIT, "QUIT"), (SIGILL, "ILL"), (SIGTRAP, "TRAP"), (SIGABRT, "ABRT"),
        (SIGBUS, "BUS"), (SIGFPE, "FPE"), (SIGKILL, "KILL"), (SIGUSR1, "USR1"), (SIGSEGV, "SEGV"), (SIGUSR2, "USR2"),
        (SIGPIPE, "PIPE"), (SIGALRM, "ALRM"), (SIGTERM, "TERM"), (SIGSTKFLT, "STKFLT"), (SIGCHLD, "CHLD"),
        (SIGCONT, "CONT"), (SIGSTOP, "STOP"), (SIGTSTP, "TSTP"), (SIGTTIN, "TTIN"), (SIGTTOU, "TTOU"),
        (SIGURG, "URG"), (SIGXCPU, "XCPU"), (SIGXFSZ, "XFSZ"), (SIGVTALRM, "VTALRM"), (SIGPROF, "PROF"),
        (SIGWINCH, "WINCH"), (SIGIO, "IO"), (SIGPWR, "PWR"), (SIGSYS, "SYS"),
    ]

    /// Second names that programs still use; never given out.
    private static let aliases: [(Int32, String)] = [(SIGCHLD, "CLD"), (SIGIO, "POLL"), (SIGABRT, "IOT")]

    private static let names = Dictionary(uniqueKeysWithValues: standard)
    private static let numbers = Dictionary(uniqueKeysWithValues: (standard + aliases).map { ($0.1, $0.0) })
}
