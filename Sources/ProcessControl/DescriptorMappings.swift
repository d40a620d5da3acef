// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import SystemPackage

/// The ends of captured streams that the server keeps.
struct CapturedPipes {
    var stdout: SharedDescriptor?
    var stderr: SharedDescriptor?
}

extension Supervisor {
    /// Which descriptors the program gets. Standard ones that `fds` names as well are what `fds` says.
    func mappings(
        of spec: SpawnSpec, capturing captured: inout CapturedPipes
    ) throws(LaunchFailure) -> [LaunchPlan.Mapping] {
        var mappings: [LaunchPlan.Mapping] = []
        mappings.reserveCapacity(3 + spec.descriptors.count)
        mappings.append(
            LaunchPlan.Mapping(target: 0, source: try source(spec.stdin, reading: true, stage: .stdin), stage: .stdin))
        mappings.append(
            LaunchPlan.Mapping(
                target: 1, source: try source(spec.stdout, stage: .stdout) { captured.stdout = $0 }, stage: .stdout))
        mappings.append(
            LaunchPlan.Mapping(
                target: 2, source: try source(spec.stderr, stage: .stderr) { captured.stderr = $0 }, stage: .stderr))
        for (target, descriptor) in spec.descriptors {
            mappings.append(LaunchPlan.Mapping(target: target, source: .descriptor(descriptor), stage: .fds))
        }
        return mappings
    }

    private func source(
        _ spec: StreamSpec, reading: Bool = false, stage: LaunchStage, capture: (SharedDescriptor) -> Void = { _ in }
    ) throws(LaunchFailure) -> LaunchPlan.Mapping.Source {
        switch spec {
        case .null, .handedOver: return .descriptor(nullDevice)
        case .descriptor(let descriptor): return .descriptor(descriptor)
        case .stdout: return .target(1)
        case .file(let path, let mode):
            if reading { return .file(path: path, flags: O_RDONLY, mode: 0) }
            let how =
                switch mode {
                case .truncate: O_CREAT | O_TRUNC
                case .append: O_CREAT | O_APPEND
                case .createNew: O_CREAT | O_EXCL
                }
            return .file(path: path, flags: O_WRONLY | how, mode: 0o666)
        case .pipe:
            do throws(Errno) {
                let pipe = try Pipe()
                let writing = pipe.writeEnd
                let reading = pipe.intoReadEnd()
                try reading.setNonblocking(true)
                capture(SharedDescriptor(reading.lifted()))
                return .descriptor(writing)
            } catch {
                throw LaunchFailure(stage: stage, error: error)
            }
        }
    }
}
