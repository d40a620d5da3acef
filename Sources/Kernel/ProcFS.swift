// SPDX-License-Identifier: Apache-2.0
public import Glibc
import SystemPackage

/// What /proc/PID/stat tells of a process (proc_pid_stat(5)).
public struct ProcStat: Sendable, Equatable {
    public let pid: pid_t
    public let ppid: pid_t
    public let pgid: pid_t
    public let session: pid_t
    /// R, S, D, T (stopped), t (traced), Z, X, I.
    public let state: Character
    /// How many threads there are, a main thread that has ended among them.
    public let threads: Int
    /// Start after boot, in clock ticks: with the pid it tells a process from a later one of the same number.
    public let startTime: UInt64
    /// User and system time of all threads, in clock ticks.
    public let cpuTicks: UInt64
    /// Resident memory in pages.
    public let rssPages: Int
    /// The command name, at most 15 bytes, any bytes.
    public let comm: [UInt8]

    /// Whether nothing of the process runs any more. A main thread that has ended before the others also shows Z.
    public var isDead: Bool { state == "X" || state == "x" || (state == "Z" && threads <= 1) }

    /// User and system time in microseconds.
    public var cpuMicroseconds: UInt64 { cpuTicks * 1_000_000 / UInt64(max(1, sysconf(Int32(_SC_CLK_TCK)))) }

    /// Resident memory in KiB.
    public var residentKiB: Int { rssPages * sysconf(Int32(_SC_PAGESIZE)) / 1024 }

    /// Reads the one line of a stat file. The name may hold blanks and parentheses: it ends at the last one.
    init?(parsing text: [UInt8]) {
        guard let open = text.firstIndex(of: UInt8(ascii: "(")), let shut = text.lastIndex(of: UInt8(ascii: ")")),
            open < shut, let pid = pid_t(String(decoding: text[..<open].dropLast(), as: UTF8.self))
        else { return nil }
        let fields = text[(shut + 1)...].split(separator: UInt8(ascii: " "))
        func number(_ index: Int) -> Int? {
            index < fields.count ? Int(String(decoding: fields[index], as: UTF8.self)) : nil
        }
        // fields[0] is field 3 of the manual page.
        guard let state = fields.first?.first, let ppid = number(1), let pgid = number(2), let session = number(3),
            let user = number(11), let system = number(12), let threads = number(17), let start = number(19),
            let rss = number(21)
        else { return nil }
        self.pid = pid
        self.ppid = pid_t(ppid)
        self.pgid = pid_t(pgid)
        self.session = pid_t(session)
        self.state = Character(UnicodeScalar(state))
        self.threads = threads
        startTime = UInt64(start)
        cpuTicks = UInt64(user + system)
        rssPages = rss
        comm = Array(text[(open + 1)..<shut])
    }
}

/// Walks over /proc. Each answer is a picture of a moment that has passed: kill by it only in rounds until two of them
/// are empty, and by pidfd.
///
/// What cannot be read counts as not there: a process that has just gone, or one that hidepid hides (proc(5)).
public enum ProcFS {
    /// One process.
    public static func stat(_ pid: pid_t) -> ProcStat? {
        guard let text = contents(of: "/proc/\(pid)/stat") else { return nil }
        return ProcStat(parsing: text)
    }

    /// Every process, zombies among them, in order of pid. One that lives during the whole walk is never missed.
    public static func all() -> [ProcStat] {
        numbers(in: "/proc").sorted().compactMap { stat($0) }
    }

    /// The children of all threads of `pid`, zombies among them.
    ///
    /// Read from /proc/PID/task/TID/children where the kernel has it (CONFIG_PROC_CHILDREN), which may miss a child
    /// while a sibling exits (proc_tid_children(5)); else by a walk over all processes.
    public static func children(of pid: pid_t) -> [pid_t] {
        if hasChildrenFiles { return children(listedIn: "/proc/\(pid)/task") }
        return all().filter { $0.ppid == pid }.map(\.pid)
    }

    /// What lives below `pid`, nearest first, and without `pid`; with a session, also every process whose session or
    /// process group has that number, and what lives below those. Never this process itself.
    ///
    /// Always from one walk over all processes, for the reason given at `children(of:)`.
    public static func descendants(of pid: pid_t, alsoSession session: pid_t? = nil) -> [pid_t] {
        let own = getpid()
        let processes = all().filter { !$0.isDead && $0.pid != own }
        let children = Dictionary(grouping: processes, by: \.ppid)
        var queue = [pid]
        if let session {
            queue += processes.filter { $0.pid != pid && ($0.session == session || $0.pgid == session) }.map(\.pid)
        }
        var seen = Set(queue)
        var next = 0
        while next < queue.count {
            for child in children[queue[next]] ?? [] where seen.insert(child.pid).inserted { queue.append(child.pid) }
            next += 1
        }
        return Array(queue.dropFirst())
    }

    /// How many descriptors this process has open.
    public static func ownDescriptorCount() -> Int {
        // The walk itself has one open.
        max(0, ownDescriptors().count - 1)
    }

    /// The descriptors this process has open, and that of the walk, which is closed again.
    public static func ownDescriptors() -> [CInt] { numbers(in: "/proc/self/fd") }

    private static let hasChildrenFiles = access("/proc/thread-self/children", R_OK) == 0

    /// The union of the children files of a task directory.
    static func children(listedIn tasks: String) -> [pid_t] {
        numbers(in: tasks).flatMap { task in
            (contents(of: "\(tasks)/\(task)/children") ?? []).split(separator: UInt8(ascii: " "))
                .compactMap { pid_t(String(decoding: $0, as: UTF8.self)) }
        }
    }

    /// The entries of a directory that are numbers; none if it cannot be read.
    static func numbers(in path: String) -> [pid_t] {
        var found: [pid_t] = []
        guard let directory = try? Descriptor.open(path, O_RDONLY | O_DIRECTORY) else { return found }
        try? directory.forEachEntry { (name, _) in
            if let first = name.utf8.first, (0x30...0x39).contains(first), let number = pid_t(name) {
                found.append(number)
            }
        }
        return found
    }

    /// All bytes of a file, or nil.
    static func contents(of path: String) -> [UInt8]? {
        guard let file = try? Descriptor.open(path, O_RDONLY | O_NONBLOCK) else { return nil }
        return try? file.readToEnd()
    }
}

extension Descriptor {
    /// Reads from where the file stands to its end.
    borrowing func readToEnd() throws(Errno) -> [UInt8] {
        var bytes: [UInt8] = []
        let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 4096, alignment: 1)
        defer { chunk.deallocate() }
        while true {
            let count = try read(into: chunk)
            if count == 0 { return bytes }
            bytes.append(contentsOf: chunk[..<count])
        }
    }

    /// Calls `body` with the name and the type (DT_DIR, … of readdir(3)) of each entry but "." and "..".
    /// Reads through a description of its own: this one's position does not move.
    borrowing func forEachEntry(_ body: (String, CInt) -> Void) throws(Errno) {
        let number = try open(".", O_RDONLY | O_DIRECTORY).release()
        guard let stream = fdopendir(number) else {
            let error = Errno(rawValue: errno)
            _ = close(number)
            throw error
        }
        defer { closedir(stream) }
        while let entry = readdir(stream) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name != ".", name != ".." { body(name, CInt(entry.pointee.d_type)) }
        }
    }
}

extension ProcFS {
    /// The directory a process is in (proc_pid_cwd(5)); nil if it may not be looked at, or has ended.
    public static func directory(of pid: pid_t) -> [UInt8]? { target(ofLink: "/proc/\(pid)/cwd") }

    /// Where a symbolic link leads; nil if it cannot be read or is longer than PATH_MAX.
    static func target(ofLink link: String) -> [UInt8]? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = buffer.withUnsafeMutableBytes { bytes in
            let text = bytes.bindMemory(to: CChar.self)
            return text.baseAddress.map { readlink(link, $0, text.count) } ?? -1
        }
        return count > 0 && count < buffer.count ? Array(buffer.prefix(count)) : nil
    }

    /// The environment a process was last started with, as `NAME=value` (proc_pid_environ(5)); empty if it may not
    /// be read.
    public static func environment(of pid: pid_t) -> [[UInt8]] {
        (contents(of: "/proc/\(pid)/environ") ?? []).split(separator: 0).map(Array.init)
    }
}
