// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import Testing

@Suite struct SignalNameTests {
    @Test func everySignalOfAProgramReadsBack() {
        for number in 1...SignalName.maximum where number != 32 && number != 33 {
            let name = SignalName.name(of: number)
            #expect(name.hasPrefix("SIG"))
            #expect(SignalName.number(of: name) == number)
            #expect(SignalName.number(of: String(name.dropFirst(3))) == number)
        }
    }

    /// The numbers and texts of the C library, so that no name stands at the wrong number.
    @Test(arguments: [
        ("SIGHUP", "Hangup"), ("SIGKILL", "Killed"), ("SIGSEGV", "Segmentation fault"), ("SIGPIPE", "Broken pipe"),
        ("SIGTERM", "Terminated"), ("SIGCHLD", "Child exited"), ("SIGSTOP", "Stopped (signal)"),
        ("SIGPWR", "Power failure"),
        ("SIGSYS", "Bad system call"),
    ])
    func aNameIsAtItsNumber(_ name: String, _ text: String) throws {
        #expect(String(cString: strsignal(try #require(SignalName.number(of: name)))) == text)
    }

    @Test(
        arguments: [
            ("TERM", 15), ("SIGTERM", 15), ("KILL", 9), ("CLD", SIGCHLD), ("SIGPOLL", SIGIO), ("IOT", SIGABRT),
            ("RTMIN", 34), ("SIGRTMIN+0", 34), ("SIGRTMIN+3", 37), ("RTMIN+30", 64), ("RTMAX", 64), ("SIGRTMAX-1", 63),
            ("RTMAX-30", 34),
        ] as [(String, Int32)])
    func takes(_ text: String, _ number: Int32) {
        #expect(SignalName.number(of: text) == number)
    }

    @Test(arguments: [
        "", "SIG", "term", "SIGterm", "Sigterm", "sigTERM", "15", "SIG15", "SIGSIGTERM", " TERM", "TERM ", "EXIT",
        "NULL",
        "RTMIN+", "RTMIN+31", "RTMIN-1", "RTMIN++1", "RTMIN+-1", "RTMIN+003", "RTMIN3", "RTMAX-31", "RTMAX+1",
        "RTMAX--1",
        "RTMIN+٣", "SIG32", "TERM\0",
    ])
    func refuses(_ text: String) {
        #expect(SignalName.number(of: text) == nil)
    }

    @Test func numbersGlibcKeepsForItselfHaveNoName() {
        #expect(SignalName.name(of: 32) == "SIG32")
        #expect(SignalName.name(of: 33) == "SIG33")
        #expect(SignalName.name(of: 37) == "SIGRTMIN+3")
        #expect(SignalName.name(of: 64) == "SIGRTMAX")
        #expect(SignalName.name(of: 65) == "SIG65")
    }
}
