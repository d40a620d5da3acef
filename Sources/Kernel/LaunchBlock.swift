// SPDX-License-Identifier: Apache-2.0
import CKernel

/// A plan in the form the child reads: C structures that stay in place until the start is decided.
final class LaunchBlock {
    let launch: UnsafeMutablePointer<pk_launch>
    private let image: ProgramImage
    private let mappings: UnsafeMutableBufferPointer<pk_mapping>
    private let limits: UnsafeMutableBufferPointer<pk_limit>
    private let groups: UnsafeMutableBufferPointer<UInt32>
    private let kept: UnsafeMutableBufferPointer<Int32>
    private var paths: [UnsafeMutablePointer<CChar>] = []

    /// - Parameters:
    ///   - report: the write end of the report pipe.
    ///   - gate: the child's end of the gate, if it is to be held.
    ///   - sharesTable: the child begins with our table of descriptors, and parts from it.
    init(_ plan: LaunchPlan, report: CInt, gate: CInt?, sharesTable: Bool) {
        image = plan.image
        launch = .allocate(capacity: 1)
        mappings = .allocate(capacity: plan.mappings.count)
        limits = .allocate(capacity: plan.limits.count)
        groups = .allocate(capacity: plan.groups?.count ?? 0)

        var keep: Set<CInt> = [report]
        if let gate { keep.insert(gate) }
        if let directory = plan.directory { keep.insert(directory.raw) }
        for (index, mapping) in plan.mappings.enumerated() {
            var entry = pk_mapping()
            entry.target = mapping.target
            entry.source = -1
            entry.source_target = -1
            entry.stage = mapping.stage.number
            switch mapping.source {
            case .descriptor(let descriptor):
                entry.source = descriptor.raw
                keep.insert(descriptor.raw)
            case .file(let path, let flags, let mode):
                let copy = Self.cString(path)
                paths.append(copy)
                entry.path = UnsafePointer(copy)
                entry.flags = flags
                entry.mode = mode
            case .target(let target):
                entry.source_target = target
            }
            mappings.initializeElement(at: index, to: entry)
        }
        for (index, limit) in plan.limits.enumerated() {
            limits.initializeElement(
                at: index,
                to: pk_limit(
                    resource: limit.resource, set_soft: limit.soft != nil, set_hard: limit.hard != nil,
                    soft: limit.soft ?? 0, hard: limit.hard ?? 0))
        }
        for (index, group) in (plan.groups ?? []).enumerated() { groups.initializeElement(at: index, to: group) }
        let ascending = keep.sorted()
        kept = .allocate(capacity: ascending.count)
        for (index, number) in ascending.enumerated() { kept.initializeElement(at: index, to: number) }

        var start = pk_launch()
        start.image = image.unpack()
        start.image.cwd_descriptor = plan.directory?.raw ?? -1
        start.mappings = UnsafePointer(mappings.baseAddress)
        start.mapping_count = UInt32(mappings.count)
        start.limits = UnsafePointer(limits.baseAddress)
        start.limit_count = UInt32(limits.count)
        start.groups = UnsafePointer(groups.baseAddress)
        start.group_count = UInt32(groups.count)
        start.kept = UnsafePointer(kept.baseAddress)
        start.kept_count = UInt32(kept.count)
        start.report = report
        start.gate = gate ?? -1
        start.unshare_above = sharesTable ? ascending[ascending.count - 1] + 1 : 0
        start.cgroup = plan.cgroup ?? -1
        start.session = plan.session.number
        if case .join(let group) = plan.session { start.group = group }
        start.terminal = plan.controllingTerminal ?? -1
        start.umask = plan.umask ?? -1
        start.set_nice = plan.nice != nil
        start.nice = plan.nice ?? 0
        start.set_uid = plan.user != nil
        start.uid = plan.user ?? 0
        start.set_gid = plan.group != nil
        start.gid = plan.group ?? 0
        start.set_groups = plan.groups != nil
        start.no_new_privileges = plan.noNewPrivileges
        start.ignored = plan.ignored
        start.blocked = plan.blocked
        launch.initialize(to: start)
    }

    deinit {
        launch.deallocate()
        mappings.deallocate()
        limits.deallocate()
        groups.deallocate()
        kept.deallocate()
        for path in paths { path.deallocate() }
    }

    private static func cString(_ bytes: [UInt8]) -> UnsafeMutablePointer<CChar> {
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count + 1)
        for (index, byte) in bytes.enumerated() { copy[index] = CChar(bitPattern: byte) }
        copy[bytes.count] = 0
        return copy
    }
}
