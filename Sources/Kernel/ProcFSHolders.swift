// SPDX-License-Identifier: Apache-2.0
public import Glibc
import SystemPackage

extension ProcFS {
    /// The processes that hold the writing end of a pipe, by /proc/PID/fd (proc_pid_fd(5)): who keeps an output open
    /// after its program has exited. `inode` is st_ino of either end; `own` is left out.
    ///
    /// Needs leave to look at the other process (ptrace(2), PTRACE_MODE_READ_FSCREDS): without it, it is not listed.
    /// With `writersOnly` false those that can only read count too.
    public static func holders(
        pipe inode: UInt64, excluding own: pid_t = getpid(), writersOnly: Bool = true
    ) -> [pid_t] {
        let link = Array("pipe:[\(inode)]".utf8)
        return numbers(in: "/proc").sorted().filter { pid in
            guard pid != own, let directory = try? Descriptor.open("/proc/\(pid)/fd", O_RDONLY | O_DIRECTORY) else {
                return false
            }
            return holds(directory, link, writersOnly)
        }
    }

    /// Whether one of the descriptors in `directory` is `link`.
    private static func holds(_ directory: borrowing Descriptor, _ link: [UInt8], _ writersOnly: Bool) -> Bool {
        let number = directory.raw
        var found = false
        // One byte more than the link, so that a longer text with the same beginning differs.
        var text = [CChar](repeating: 0, count: link.count + 1)
        try? directory.forEachEntry { (name, _) in
            if found { return }
            let length = readlinkat(number, name, &text, text.count)
            guard length == link.count, text.prefix(length).elementsEqual(link.lazy.map { CChar(bitPattern: $0) })
            else { return }
            // The link's own mode tells how the descriptor was opened; its target is not touched.
            var info = Glibc.stat()
            guard fstatat(number, name, &info, AT_SYMLINK_NOFOLLOW) == 0 else { return }
            found = !writersOnly || info.st_mode & mode_t(S_IWUSR) != 0
        }
        return found
    }
}
