/**
 * The scene: an arm that an agent drives, and behind it a double pendulum that swings freely and that no actuator touches.
 * Both move in the plane y = const. that the camera faces; nothing collides.
 */
export const SCENE = `
<mujoco model="arm and pendulum">
  <option timestep="0.002" integrator="implicitfast"/>
  <default>
    <geom contype="0" conaffinity="0" density="800"/>
    <joint type="hinge" axis="0 1 0"/>
  </default>
  <worldbody>
    <body name="upper" pos="-0.28 0 0.05">
      <joint name="shoulder" damping="0.4" range="-40 40" limited="true"/>
      <geom name="upper" type="capsule" size="0.03" fromto="0 0 0 0 0 0.34"/>
      <body name="fore" pos="0 0 0.34">
        <joint name="elbow" damping="0.2" range="-50 50" limited="true"/>
        <geom name="fore" type="capsule" size="0.025" fromto="0 0 0 0.22 0 0.16"/>
        <site name="hand" pos="0.22 0 0.16"/>
      </body>
    </body>
    <body name="first" pos="0.3 0.35 0.72">
      <joint name="swing" damping="0.002"/>
      <geom name="first" type="capsule" size="0.025" fromto="0 0 0 0 0 -0.3"/>
      <body name="second" pos="0 0 -0.3">
        <joint name="fold" damping="0.002"/>
        <geom name="second" type="capsule" size="0.03" fromto="0 0 0 0 0 -0.24"/>
        <site name="tip" pos="0 0 -0.24"/>
      </body>
    </body>
  </worldbody>
  <actuator>
    <velocity name="shoulder" joint="shoulder" kv="8"/>
    <velocity name="elbow" joint="elbow" kv="4"/>
  </actuator>
</mujoco>`;

/** Bodies and sites by the order of the model, and what the recorder needs to know of it. */
export const JOINTS = 2; // the arm's come first in qpos, then the pendulum's two
export const BODIES = { upper: 1, fore: 2, first: 3, second: 4 } as const;
export const SITES = { hand: 0, tip: 1 } as const;
