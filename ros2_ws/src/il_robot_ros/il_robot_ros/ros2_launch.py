"""The graph as a launch description, for the launch files. Imported only where ROS 2 is installed."""

from __future__ import annotations

from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    ExecuteProcess,
    OpaqueFunction,
    RegisterEventHandler,
    TimerAction,
)
from launch.event_handlers import OnProcessExit, OnShutdown
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration

from il_robot.errors import Fault
from il_robot_ros.before_start import check_inputs
from il_robot_ros.graph import graph
from il_robot_ros.graph_process import GRACE_S, Process
from il_robot_ros.one_session import claim_session
from il_robot_ros.runner import ENVIRONMENT, STOP_S


def describe(name: str) -> LaunchDescription:
    """The launch description of the graph called ``name``: its arguments, then its processes."""
    wanted = graph(name)

    def start(context: LaunchContext) -> list[LaunchDescriptionEntity]:
        given = {argument.name: LaunchConfiguration(argument.name).perform(context) for argument in wanted.arguments}
        processes = wanted.processes(given)
        check_inputs(processes)
        claim = claim_session(processes)
        at_end = RegisterEventHandler(OnShutdown(on_shutdown=lambda *_: claim.close()))
        return [at_end, *(entity for process in processes for entity in _execute(process))]

    declared = [
        DeclareLaunchArgument(argument.name, default_value=argument.default, description=argument.description)
        for argument in wanted.arguments
    ]
    return LaunchDescription([*declared, OpaqueFunction(function=start)])


def _execute(process: Process) -> list[LaunchDescriptionEntity]:
    action = ExecuteProcess(
        cmd=process.command,
        name=process.name,
        additional_env={**ENVIRONMENT, **process.environment},
        output="screen",
        sigterm_timeout=str(STOP_S),
    )

    def on_exit(event: ProcessExited, context: LaunchContext) -> list[LaunchDescriptionEntity]:
        if context.is_shutdown:
            return []
        if event.returncode == 0 and process.ends_run:
            return [EmitEvent(event=Shutdown(reason="the run is over"))]
        return [TimerAction(period=GRACE_S, actions=[OpaqueFunction(function=_fail, args=[process, event.returncode])])]

    return [action, RegisterEventHandler(OnProcessExit(target_action=action, on_exit=on_exit))]


def _fail(context: LaunchContext, process: Process, code: int) -> None:
    """End the run as failed: only an exception makes ``ros2 launch`` exit with 1."""
    if not context.is_shutdown:
        raise Fault(f"{process.name} ended with exit code {code}; the run ends")
