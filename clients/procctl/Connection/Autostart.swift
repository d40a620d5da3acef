// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import SystemPackage

/// Starts `procctld --daemon`, which returns when it listens, or another one does.
enum Autostart {
    /// A server that takes longer to listen than this is not waited for.
    private static let bound: Int64 = 10_000

    static func run(path: String) throws(Failure) {
        let idle = Environment.value("PROCCTL_IDLE_EXIT_MS").flatMap { $0.isEmpty ? nil : $0 } ?? "60000"
        let program = ServerProgram.find()
        var complaint = ComplaintPipe()
        guard complaint.open() else { throw Failure("cannot make a pipe", Errno(rawValue: errno)) }
        let arguments = [program, "--socket", path, "--daemon", "--idle-exit-ms", idle]
        let child = try spawn(program, arguments, standardError: complaint.writing)
        complaint.closeWriting()
        guard let status = complaint.collect(until: child, within: bound) else {
            throw Failure("the server does not get ready: \(program)", status: Status.noServer)
        }
        if status != 0 {
            let reason = complaint.firstLine ?? "it ended with wait status \(status)"
            throw Failure("cannot start the server: \(reason)", status: Status.noServer)
        }
    }

    /// posix_spawn(3): a vfork-like start with nothing of ours between it and the program. Signals as a fresh program
    /// has them, whatever they are here.
    private static func spawn(_ program: String, _ arguments: [String], standardError: CInt) throws(Failure) -> pid_t {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, standardError, 2)
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var all = sigset_t()
        // Not sigfillset(3), which leaves out 32 and 33: posix_spawn would hand those over as ignored.
        withUnsafeMutableBytes(of: &all) { for index in $0.indices { $0[index] = 0xFF } }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK))
        var words = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var child: pid_t = 0
        let error = posix_spawnp(&child, program, &actions, &attributes, &words, Environment.block)
        guard error == 0 else {
            throw Failure(
                "cannot start the server: \(program)", Errno(rawValue: error),
                hint: "set PROCCTLD to the path of procctld", status: Status.noServer)
        }
        return child
    }
}

/// The server's one line of complaint. A pipe and not our own standard error: a daemon that kept that open would
/// make `procctl … 2>&1 | less` hang.
private struct ComplaintPipe {
    private var reading: CInt = -1
    private(set) var writing: CInt = -1
    private var text: [UInt8] = []

    mutating func open() -> Bool {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { return false }
        (reading, writing) = (ends[0], ends[1])
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        _ = fcntl(reading, F_SETFL, O_NONBLOCK)
        return true
    }

    mutating func closeWriting() {
        close(writing)
        writing = -1
    }

    /// The child's wait status, or nil when it takes too long.
    mutating func collect(until child: pid_t, within bound: Int64) -> CInt? {
        defer { close(reading) }
        let end = Clock.milliseconds() + bound
        var open = true
        while Clock.milliseconds() < end {
            var watched = pollfd(fd: open ? reading : -1, events: Int16(POLLIN), revents: 0)
            poll(&watched, 1, open ? 10 : 1)
            if open { open = read() }
            var status: CInt = 0
            if waitpid(child, &status, WNOHANG) == child {
                _ = read()
                return status
            }
        }
        return nil
    }

    /// False at the end of the input.
    private mutating func read() -> Bool {
        var chunk = [UInt8](repeating: 0, count: 4096)
        let count = Glibc.read(reading, &chunk, chunk.count)
        if count > 0, text.count < 65536 { text += chunk[..<count] }
        return count != 0
    }

    var firstLine: String? {
        let line = text.prefix { $0 != UInt8(ascii: "\n") }
        return line.isEmpty ? nil : String(decoding: line, as: UTF8.self)
    }
}
